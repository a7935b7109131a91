// What a batch's kernels read of it: ids, positions, lengths, attention's plan. Gathered in pinned
// memory and brought to the device by one copy.
#pragma once

#include <cstdint>
#include <span>

#include "core/packed_batch.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/batch_shape.h"
#include "cuda/kernels/attention/attention.h"
#include "model/geometry.h"

namespace fusebert::cuda {

class BatchInputs {
 public:
  // For batches of at most max_tokens tokens.
  static Result<BatchInputs> create(const ContextPointer& context, const Geometry& geometry,
                                    std::int64_t max_tokens, const BudgetPointer& budget);

  // Gathers; the batch may go. An earlier upload must be over. `head_rows`: tokens that a head is
  // for, when it is not for the first of each sequence or for all.
  void pack(const PackedBatch& batch, std::span<const std::int32_t> head_rows = {});
  // Queues the copy of what was packed.
  Status upload(const Stream& stream) const;

  // Of the packed batch. Batches of one shape have their arrays at the same places.
  const BatchShape& shape() const { return shape_; }

  // In device memory, valid after upload():
  const std::int32_t* tokens() const { return at<std::int32_t>(0); }     // how many
  const std::int32_t* sequences() const { return at<std::int32_t>(sizeof(std::int32_t)); }
  // The least place at which activations were not finite; kNoPlace when all were.
  std::int32_t* overflow() const { return at<std::int32_t>(2 * sizeof(std::int32_t)); }
  const std::int32_t* head_row_count() const {
    return at<std::int32_t>(3 * sizeof(std::int32_t));
  }
  const AttentionPlan* plan() const { return at<AttentionPlan>(kPlanOffset); }
  const std::int32_t* cu_seqlens() const { return at<std::int32_t>(cu_seqlens_); }
  const std::int32_t* ids() const { return at<std::int32_t>(ids_); }
  const std::int32_t* positions() const { return at<std::int32_t>(positions_); }
  const std::int32_t* types() const { return at<std::int32_t>(types_); }
  const AttentionItem* items() const { return at<AttentionItem>(items_); }
  const std::int32_t* head_rows() const { return at<std::int32_t>(head_rows_); }

  static constexpr std::int32_t kNoPlace = INT32_MAX;

 private:
  static constexpr std::size_t kPlanOffset = 16;

  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(device_.get() + offset);
  }
  std::size_t lay_out(std::int64_t tokens);

  Geometry geometry_;
  int heads_ = 0, head_dim_ = 0;  // as attention's kernels have it: padded
  PinnedMemory host_;
  DeviceMemory device_;
  AttentionCut cut_;
  BatchShape shape_;
  std::size_t bytes_ = 0;
  // Offsets in bytes, the same on both sides.
  std::size_t cu_seqlens_ = 0, ids_ = 0, positions_ = 0, types_ = 0, items_ = 0, head_rows_ = 0;
};

}  // namespace fusebert::cuda
