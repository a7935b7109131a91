// Runs an encoder's layers over a packed batch on the device: ids up, vectors down, everything
// between in a workspace that is planned once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/batch_inputs.h"
#include "cuda/encoder/device_weights.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/kernels/layer_norm/layer_norm_params.h"
#include "model/geometry.h"

namespace fusebert::cuda {

class DeviceEncoder {
 public:
  // Plans a workspace for batches of up to max_tokens tokens. Borrows kernels, weights and stream.
  static Result<std::unique_ptr<DeviceEncoder>> create(const ContextPointer& context,
                                                       const Geometry& geometry,
                                                       const KernelSet& kernels,
                                                       const DeviceWeights& weights,
                                                       const Stream& stream,
                                                       std::int64_t max_tokens);

  // Encodes a batch of at most max_tokens tokens, waits, and writes what is asked for. kAborted
  // when `cancelled` is seen; kNotFinite, with the layer, when activations left the kernels' type.
  Status run(const PackedBatch& batch, const EncodeOutput& output,
             const std::atomic<bool>& cancelled);

 private:
  // Where a result lies among the device's results, and how many floats it has.
  struct Piece {
    std::int64_t offset = 0;
    std::int64_t count = 0;
    float* to = nullptr;  // on the host
  };

  DeviceEncoder(ContextPointer context, const Geometry& geometry, const KernelSet& kernels,
                const DeviceWeights& weights, const Stream& stream)
      : context_(std::move(context)),
        geometry_(geometry),
        kernels_(kernels),
        weights_(weights),
        stream_(stream) {}

  Status plan(std::int64_t max_tokens);
  Status embed(std::int64_t tokens);
  Status layer(const DeviceLayer& layer, std::int64_t tokens, std::int32_t place);
  Status multiply(const DeviceLinear& linear, const void* in, const std::int32_t* rows,
                  std::int64_t row_count, GemmActivation activation, const void* residual,
                  void* out);
  Status attend();
  Status normalize(const DeviceNorm& norm, const void* in, std::int64_t tokens,
                   std::int32_t place);
  LayerNormParams norm_params(const DeviceNorm& norm, const void* in, std::int32_t place) const;
  Status write_hidden_states(const Piece& piece, std::int64_t tokens, bool normalize);
  Status write_pooled(const Piece& piece, const EncodeOutput& output, std::int64_t sequences);
  Status write_pooler_output(const Piece& piece, std::int64_t sequences);
  Status download(std::int64_t floats);
  Status check_finite() const;

  const ContextPointer context_;
  const Geometry geometry_;
  const KernelSet& kernels_;
  const DeviceWeights& weights_;
  const Stream& stream_;

  BatchInputs inputs_;
  DeviceMemory memory_;                // what the following point into
  void* hidden_ = nullptr;             // [max_tokens, hidden_size]
  void* query_key_value_ = nullptr;    // [max_tokens, 3 · heads · padded head_dim]
  void* context_rows_ = nullptr;       // [max_tokens, heads · padded head_dim]
  void* projection_ = nullptr;         // [max_tokens, hidden_size]
  void* intermediate_ = nullptr;       // [max_tokens, intermediate_size, padded]
  float* results_ = nullptr;           // in fp32; shares memory with intermediate_
  PinnedMemory host_results_;          // the flag of overflow, then results
  std::int64_t host_floats_ = 0;       // that it has room for
};

}  // namespace fusebert::cuda
