// What a batch's kernels read of it: ids, positions, lengths, attention's plan. Gathered in pinned
// memory and brought to the device by one copy.
#pragma once

#include <cstdint>

#include "core/packed_batch.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/kernels/attention/attention.h"

namespace fusebert::cuda {

class BatchInputs {
 public:
  // For batches of at most max_tokens tokens of heads of a padded head_dim.
  static Result<BatchInputs> create(const ContextPointer& context, std::int64_t max_tokens,
                                    int heads, int head_dim);

  // Queues the copy. The batch may go at once; the next upload must wait until the copy is done.
  Status upload(const Stream& stream, const PackedBatch& batch);

  // In device memory, valid after upload():
  const std::int32_t* tokens() const { return at<std::int32_t>(0); }     // how many
  const std::int32_t* sequences() const { return at<std::int32_t>(sizeof(std::int32_t)); }
  // The least place at which activations were not finite; kNoPlace when all were.
  std::int32_t* overflow() const { return at<std::int32_t>(2 * sizeof(std::int32_t)); }
  const AttentionPlan* plan() const { return at<AttentionPlan>(kPlanOffset); }
  const std::int32_t* cu_seqlens() const { return at<std::int32_t>(cu_seqlens_); }
  const std::int32_t* ids() const { return at<std::int32_t>(ids_); }
  const std::int32_t* positions() const { return at<std::int32_t>(positions_); }
  const std::int32_t* types() const { return at<std::int32_t>(types_); }
  const AttentionItem* items() const { return at<AttentionItem>(items_); }

  // How attention is launched for the batch.
  const AttentionCut& cut() const { return cut_; }

  static constexpr std::int32_t kNoPlace = INT32_MAX;

 private:
  static constexpr std::size_t kPlanOffset = 16;

  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(device_.get() + offset);
  }
  std::size_t lay_out(std::size_t tokens);

  int heads_ = 0, head_dim_ = 0;
  PinnedMemory host_;
  DeviceMemory device_;
  AttentionCut cut_;
  // Offsets in bytes, the same on both sides.
  std::size_t cu_seqlens_ = 0, ids_ = 0, positions_ = 0, types_ = 0, items_ = 0;
};

}  // namespace fusebert::cuda
