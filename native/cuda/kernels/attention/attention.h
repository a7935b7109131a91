// Cutting a batch into blocks of the attention kernels, and launching them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/status.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/attention/attention_params.h"

namespace fusebert::cuda {

// The head_dim that kernels exist for and that heads of this size are padded to; 0 for none.
int padded_head_dim(std::int64_t head_dim);

// How a batch is cut, and how many blocks that takes.
struct AttentionCut {
  AttentionPlan plan;
  std::vector<AttentionItem> items;  // sorted by class
  std::int64_t long_blocks = 0;

  std::int64_t short_blocks() const { return plan.block_begin[kShortClasses]; }
};

// `cu_seqlens` [batch_size + 1]; `head_dim` is a padded one. A cut's vector is used again.
void cut_attention(std::span<const std::int32_t> cu_seqlens, int heads, int head_dim,
                   AttentionCut& cut);

class AttentionKernels {
 public:
  // `head_dim`: a padded one.
  static Result<AttentionKernels> load(const Module& module, int head_dim);

  // `short_blocks`, `long_blocks`: at least as many as the plan has; none of a kind, no launch.
  Status launch(const Stream& stream, std::int64_t short_blocks, std::int64_t long_blocks,
                const AttentionParams& params) const;

 private:
  Kernel short_, long_;
  LaunchShape short_shape_, long_shape_;
};

}  // namespace fusebert::cuda
