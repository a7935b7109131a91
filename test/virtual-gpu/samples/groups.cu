// Cooperative groups: tiles of a warp, coalesced threads, a barrier of the whole grid, and copies
// that a block makes together.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>

namespace cg = cooperative_groups;

/// Sums of eight neighbours each.
extern "C" __global__ void tile_sums(const float* x, float* sums) {
  const auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const float sum = cg::reduce(tile, x[at], cg::plus<float>());
  if (tile.thread_rank() == 0) sums[at / 8] = sum;
}

/// Counts the positive values, one atomic operation for those of a warp that have one.
extern "C" __global__ void count_positive(const float* x, int* count, int size) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < size && x[at] > 0) {
    const auto active = cg::coalesced_threads();
    if (active.thread_rank() == 0) atomicAdd(count, active.size());
  }
}

/// Every block adds its part, then all read the whole: a barrier of the grid between.
extern "C" __global__ void share_of_sum(const float* x, float* sum, float* shares) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(sum, x[at]);
  cg::this_grid().sync();
  shares[at] = x[at] / *sum;
}

/// Reverses blocks of 256 values through shared memory.
extern "C" __global__ void reverse_blocks(const int* x, int* out) {
  __shared__ alignas(16) int buffer[256];
  const auto block = cg::this_thread_block();
  cg::memcpy_async(block, buffer, x + blockIdx.x * 256, sizeof buffer);
  cg::wait(block);
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    out[blockIdx.x * 256 + i] = buffer[255 - i];
  }
}
