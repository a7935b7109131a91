// The largest logits of a row and log Σ exp(logit) over it, so that a vocabulary's logits need not
// leave the device: lse = m + log Σ exp(x - m), m the largest.
//
// A block a row, logits [rows, columns] without gaps; thread t has the columns t, t + kTopKThreads,
// and so on. A number and its column become one key of 64 bits: keys are all different and their
// order is that of the result, so that the result is exact and depends on nothing else. Each thread
// knows the largest key of its columns that has not been taken. A turn takes the largest of these
// by shuffles and shared memory, and the thread that had it looks for its next.
// Sums of exponentials are added thread by thread, then in the order of threads. No atomics.
//
// Bytes: the row is read twice, from L2, where it was just written; 8 · count written. A turn is a
// barrier and the reading of columns / kTopKThreads numbers by one thread. Limiter: L2 for few,
// latency from about ten turns on, which grows with count: hundreds are meant to be rare.
#include <cstdint>

#include "cuda/kernels/common/activation.cuh"
#include "cuda/kernels/common/row.cuh"
#include "cuda/kernels/top_k/top_k_params.h"

namespace fusebert::cuda::top_k {

constexpr int kWarps = kTopKThreads / kRowWarpSize;
using Key = std::uint64_t;

// Rises with x, and for equal x falls with the column; 0 is the key of nothing. Zeros of both signs
// are equal.
__device__ inline Key key_of(float x, int column) {
  const std::uint32_t bits = __float_as_uint(x + 0.0f);
  std::uint32_t rank = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  if (isnan(x)) rank = 0;
  return static_cast<Key>(rank) << 32 | ~static_cast<std::uint32_t>(column);
}
__device__ inline int column_of(Key key) {
  return static_cast<int>(~static_cast<std::uint32_t>(key));
}

// Of this thread's columns the largest key below `limit`.
__device__ inline Key largest_below(Key limit, const float* row, int columns) {
  Key largest = 0;
  for (int column = static_cast<int>(threadIdx.x); column < columns; column += kTopKThreads) {
    const Key key = key_of(row[column], column);
    if (key < limit) largest = max(largest, key);
  }
  return largest;
}

// Of all threads, in all of them. `scratch`: a key a warp, not that of the turn before.
__device__ inline Key block_max(Key key, Key* scratch) {
#pragma unroll
  for (int distance = kRowWarpSize / 2; distance > 0; distance /= 2) {
    key = max(key, static_cast<Key>(__shfl_xor_sync(0xFFFFFFFFu, key, distance)));
  }
  if (threadIdx.x % kRowWarpSize == 0) scratch[threadIdx.x / kRowWarpSize] = key;
  __syncthreads();
  Key largest = scratch[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) largest = max(largest, scratch[warp]);
  return largest;
}

// log Σ exp of the row, in thread 0. `scratch`: a float a warp.
__device__ inline float log_sum_exp(float largest, const float* row, int columns, float* scratch) {
  float sum = 0.0f;
  for (int column = static_cast<int>(threadIdx.x); column < columns; column += kTopKThreads) {
    sum += ptx::ex2((row[column] - largest) * kLog2E);
  }
  sum = warp_sum(sum);
  if (threadIdx.x % kRowWarpSize == 0) scratch[threadIdx.x / kRowWarpSize] = sum;
  __syncthreads();
  sum = 0.0f;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) sum += scratch[warp];
  return largest + logf(sum);
}

}  // namespace fusebert::cuda::top_k

extern "C" __global__ void __launch_bounds__(fusebert::cuda::kTopKThreads, 1)
    top_k(const __grid_constant__ fusebert::cuda::TopKParams params) {
  using namespace fusebert::cuda::top_k;
  __shared__ Key keys[2][kWarps];  // in turn, so that one barrier a turn is enough
  __shared__ float sums[kWarps];
  const int index = static_cast<int>(blockIdx.x);
  if (index >= *params.rows) return;
  const float* row = params.logits + static_cast<std::int64_t>(index) * params.columns;
  const std::int64_t first = static_cast<std::int64_t>(index) * params.count;
  Key mine = largest_below(~Key{0}, row, params.columns);
  for (int turn = 0; turn < params.count; ++turn) {
    const Key taken = block_max(mine, keys[turn % 2]);
    if (mine == taken) {  // one thread's
      params.top_columns[first + turn] = column_of(taken);
      params.top_values[first + turn] = row[column_of(taken)];
      mine = largest_below(taken, row, params.columns);
    }
    if (turn == 0) {
      const float sum = log_sum_exp(row[column_of(taken)], row, params.columns, sums);
      if (threadIdx.x == 0) params.log_sum_exp[index] = sum;
    }
  }
}
