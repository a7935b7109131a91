// Runs an encoder over the parts of a packed batch, two at a time: while one is computed, the next
// goes up and the one before comes down. Buffers are planned once.
//
//   upload    | 0 |   | 1 |        | 2 |
//   compute       |   0   |   1   |   2   |
//   download              | 0 |   | 1 |   | 2 |
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/device_weights.h"
#include "cuda/encoder/forward.h"
#include "cuda/encoder/graph_cache.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/encoder/part_slot.h"
#include "cuda/encoder/workspace.h"
#include "model/geometry.h"

namespace fusebert::cuda {

class DeviceEncoder {
 public:
  // Plans buffers for parts of up to max_tokens tokens. Borrows geometry, kernels and weights.
  static Result<std::unique_ptr<DeviceEncoder>> create(const ContextPointer& context,
                                                       const Geometry& geometry,
                                                       const KernelSet& kernels,
                                                       const DeviceWeights& weights,
                                                       std::int64_t max_tokens,
                                                       const BudgetPointer& budget);

  // A batch is submitted part by part between begin() and finish(). Before any other call after an
  // error, drain(). Errors may be those of an earlier part of the batch: kAborted when `cancelled`
  // is seen, kNotFinite, with the layer, when activations left the kernels' type.

  // One part alone needs no streams for copies, which saves streams' waiting for each other.
  void begin(bool one_part) { one_part_ = one_part; }
  // Queues a part of at most max_tokens tokens; it may go, its outputs may not.
  Status submit(const PackedBatch& part, const EncodeOutput& output,
                const std::atomic<bool>& cancelled);
  // Waits until the outputs of all parts are written.
  Status finish(const std::atomic<bool>& cancelled);
  // Waits until nothing is under way any more, and drops what has not been written. An error is
  // the device's, and final.
  Status drain();

 private:
  DeviceEncoder(ContextPointer context, const Geometry& geometry, const KernelSet& kernels,
                const DeviceWeights& weights)
      : context_(std::move(context)),
        forward_(context_, geometry, kernels, weights, workspace_) {}

  Status plan(const Geometry& geometry, std::int64_t max_tokens, const BudgetPointer& budget);
  Status run_layers(std::size_t index);
  Status write_outputs(const PartSlot& slot) const;
  const Stream& upload_stream() const { return one_part_ ? compute_ : upload_; }
  const Stream& download_stream() const { return one_part_ ? compute_ : download_; }

  const ContextPointer context_;
  Stream upload_, compute_, download_;
  Workspace workspace_;
  std::array<PartSlot, 2> slots_;
  Forward forward_;
  GraphCache graphs_;
  std::size_t next_ = 0;  // the slot of the next part, which is that of the oldest
  bool one_part_ = false;
};

}  // namespace fusebert::cuda
