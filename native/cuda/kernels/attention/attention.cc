// The host's side of the attention kernels.
#include "cuda/kernels/attention/attention.h"

#include <array>
#include <string>

namespace fusebert::cuda {
namespace {

constexpr int kWarpRows = 16;
constexpr int kWarpSize = 32;
constexpr int kElementBytes = 2;
constexpr std::array kHeadDims = {32, 64, 128};

// Rows that a group of warps of this class has.
constexpr int rows_of(int of_class) { return kWarpRows << of_class; }

int class_of(std::int32_t length, int head_dim) {
  for (int i = 0; i < kShortClasses && rows_of(i) <= attention_short_rows(head_dim); ++i) {
    if (length <= rows_of(i)) return i;
  }
  return kLongClass;
}

}  // namespace

int padded_head_dim(std::int64_t head_dim) {
  for (const int each : kHeadDims) {
    if (head_dim <= each) return each;
  }
  return 0;
}

void cut_attention(std::span<const std::int32_t> cu_seqlens, int heads, int head_dim,
                   AttentionCut& cut) {
  cut.items.clear();
  cut.plan = {};
  for (int of_class = 0; of_class < kAttentionClasses; ++of_class) {
    const auto first = static_cast<std::int32_t>(cut.items.size());
    for (std::size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
      const std::int32_t length = cu_seqlens[i + 1] - cu_seqlens[i];
      if (class_of(length, head_dim) != of_class) continue;
      const std::int32_t step = of_class == kLongClass ? kAttentionLongRows : length;
      for (std::int32_t query = 0; query < length; query += step) {
        cut.items.push_back({cu_seqlens[i], length, query});
      }
    }
    const auto end = static_cast<std::int32_t>(cut.items.size());
    cut.plan.item_begin[of_class + 1] = end;
    const std::int32_t pairs = (end - first) * heads;
    if (of_class == kLongClass) {
      cut.long_blocks = pairs;
    } else {
      const std::int32_t in_block = attention_short_rows(head_dim) / rows_of(of_class);
      const std::int32_t blocks = pairs == 0 ? 0 : (pairs + in_block - 1) / in_block;
      cut.plan.block_begin[of_class + 1] = cut.plan.block_begin[of_class] + blocks;
    }
  }
}

Result<AttentionKernels> AttentionKernels::load(const Module& module, int head_dim) {
  const auto shape = [&](int rows, int panels_of_rows, int keys, int panels_of_keys) {
    return LaunchShape{
        .blocks = 0,
        .threads = static_cast<unsigned>(rows / kWarpRows * kWarpSize),
        .shared_bytes = static_cast<unsigned>((rows * panels_of_rows + keys * panels_of_keys) *
                                              head_dim * kElementBytes)};
  };
  AttentionKernels attention;
  // Queries, keys and values of a block's rows; queries, and two stages of keys and values.
  attention.short_shape_ = shape(attention_short_rows(head_dim), 3, 0, 0);
  attention.long_shape_ = shape(kAttentionLongRows, 1, attention_step_keys(head_dim), 4);
  const std::string end = std::to_string(head_dim);
  auto found = Kernel::find(module, "attention_short_" + end, attention.short_shape_.shared_bytes);
  if (!found.ok()) return found.status();
  attention.short_ = found.value();
  found = Kernel::find(module, "attention_long_" + end, attention.long_shape_.shared_bytes);
  if (!found.ok()) return found.status();
  attention.long_ = found.value();
  return attention;
}

Status AttentionKernels::launch(const Stream& stream, std::int64_t short_blocks,
                                std::int64_t long_blocks, const AttentionParams& params) const {
  LaunchShape shape = short_shape_;
  shape.blocks = static_cast<unsigned>(short_blocks);
  FUSEBERT_RETURN_IF_ERROR(short_.launch(stream, shape, params));
  shape = long_shape_;
  shape.blocks = static_cast<unsigned>(long_blocks);
  return long_.launch(stream, shape, params);
}

}  // namespace fusebert::cuda
