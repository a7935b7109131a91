// The launches of a batch, kernel by kernel, on one stream: each kernel waits for the one before.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "backend/backend.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/batch_inputs.h"
#include "cuda/encoder/device_weights.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/encoder/workspace.h"
#include "cuda/kernels/layer_norm/layer_norm_params.h"
#include "model/geometry.h"

namespace fusebert::cuda {

// The name of a place that BatchInputs::overflow() holds, in a model of so many layers.
std::string name_of_place(std::int32_t place, std::int64_t layers);

class Forward {
 public:
  // Borrows all but the context.
  Forward(ContextPointer context, const Geometry& geometry, const KernelSet& kernels,
          const DeviceWeights& weights, const Workspace& workspace)
      : context_(std::move(context)),
        geometry_(geometry),
        kernels_(kernels),
        weights_(weights),
        workspace_(workspace) {}

  // From ids to the last hidden states, which stay in the workspace. Everything that the kernels
  // are told follows from where the inputs lie and from their shape, so that a graph of these
  // launches serves all batches of the shape.
  Status layers(const Stream& stream, const BatchInputs& inputs) const;

  // Of the last hidden states, into `out` in fp32. [tokens, hidden_size]:
  Status write_hidden_states(const Stream& stream, const BatchInputs& inputs, std::int64_t tokens,
                             bool normalize, float* out) const;
  // [sequences, pooling.count · hidden_size], of what `output` says of the pooling:
  Status write_pooled(const Stream& stream, const BatchInputs& inputs, std::int64_t sequences,
                      const EncodeOutput& output, float* out) const;
  // [sequences, hidden_size]:
  Status write_pooler_output(const Stream& stream, const BatchInputs& inputs,
                             std::int64_t sequences, float* out) const;

  // The rows that go through the geometry's head.
  struct ChosenRows {
    std::int64_t most = 0;                  // as many as there are, or more
    const std::int32_t* count = nullptr;    // in device memory
    const std::int32_t* tokens = nullptr;   // [*count]; null: all tokens, in order
  };
  // [rows, head.outputs]:
  Status write_logits(const Stream& stream, const BatchInputs& inputs, const ChosenRows& rows,
                      float* out) const;
  // Of these logits, as in TopLogits, whose arrays are in device memory.
  Status write_top_logits(const Stream& stream, const ChosenRows& rows, const float* logits,
                          const TopLogits& top) const;

 private:
  struct Batch {
    const Stream& stream;
    const BatchInputs& inputs;
  };

  Status embed(const Batch& batch) const;
  Status layer(const Batch& batch, const DeviceLayer& layer, std::int32_t place) const;
  Status multiply(const Batch& batch, const DeviceLinear& linear, const void* in,
                  GemmActivation activation, const void* residual, void* out) const;
  Status multiply_rows(const Stream& stream, const DeviceLinear& linear, const void* in,
                       const std::int32_t* rows, std::int64_t most_rows, GemmActivation activation,
                       const void* residual, void* out) const;
  Status attend(const Batch& batch) const;
  Status normalize(const Batch& batch, const DeviceNorm& norm, const void* in, void* out,
                   std::int32_t place) const;
  LayerNormParams norm_params(const BatchInputs& inputs, const DeviceNorm& norm, const void* in,
                              void* out, std::int32_t place) const;

  const ContextPointer context_;
  const Geometry& geometry_;
  const KernelSet& kernels_;
  const DeviceWeights& weights_;
  const Workspace& workspace_;
};

}  // namespace fusebert::cuda
