// Sizes that batches are rounded up to, so that few graphs serve all of them.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

// Multiples of 16 up to 128, then eight to each doubling: at most an eighth is surplus.
std::int64_t token_bucket(std::int64_t tokens);
// 0, or a power of two. A surplus block of attention costs a look at the plan.
std::int64_t block_bucket(std::int64_t blocks);

// How a batch's kernels are launched: upper bounds of what they find in device memory.
struct BatchShape {
  std::int64_t tokens = 0;
  std::int64_t short_blocks = 0;  // of attention's kernels
  std::int64_t long_blocks = 0;

  bool operator==(const BatchShape&) const = default;
};

}  // namespace fusebert::cuda
