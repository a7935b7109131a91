// Runs an encoder over parts of packed batches, two at a time: while one is computed, the next
// goes up and the one before comes down. Buffers are planned once.
//
//   upload    | 0 |   | 1 |        | 2 |
//   compute       |   0   |   1   |   2   |
//   download              | 0 |   | 1 |   | 2 |
#pragma once

#include <array>
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

  // Queues a part of at most max_tokens tokens; it may go, its outputs and its batch's progress may
  // not while it is under way. A part that is alone, when none is under way and none follows soon,
  // needs no streams for copies, which saves streams' waiting for each other. An error may be that
  // of an earlier part of the batch. Before any other call after one, drain().
  Status submit(const PackedBatch& part, const EncodeOutput& output, BatchProgress& progress,
                bool alone);
  bool idle() const { return !slots_[0].under_way() && !slots_[1].under_way(); }
  // Waits for the part that is under way longest, and writes its outputs. What hinders that is told
  // to its batch; what is returned is an error of the device, after which: drain().
  Status deliver();
  // Delivers what is under way and waits until the streams are empty. An error is the device's,
  // and final.
  Status drain();
  // Waits as drain() does, but delivers nothing and takes no memory.
  void abandon();
  // Drops what is under way, when the device cannot be asked for it.
  void drop(const Status& why);

 private:
  DeviceEncoder(ContextPointer context, const Geometry& geometry, const KernelSet& kernels,
                const DeviceWeights& weights)
      : context_(std::move(context)),
        forward_(context_, geometry, kernels, weights, workspace_) {}

  Status plan(const Geometry& geometry, std::int64_t max_tokens, const BudgetPointer& budget);
  Status run_layers(std::size_t index);
  Status write_outputs(const PartSlot& slot) const;

  const ContextPointer context_;
  Stream upload_, compute_, download_;
  Workspace workspace_;
  std::array<PartSlot, 2> slots_;
  Forward forward_;
  GraphCache graphs_;
  std::size_t next_ = 0;  // the slot of the next part, which is that of the oldest
};

}  // namespace fusebert::cuda
