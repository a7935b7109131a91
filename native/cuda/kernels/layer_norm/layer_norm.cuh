// LayerNorm of rows, statistics in fp32 by two passes over registers (torch.nn.LayerNorm).
//
// A warp a row: the row is read once, its mean taken, then the mean of squared distances from it,
// so that nothing cancels. Bytes: 2 · columns read and written a row. Limiter: memory.
#pragma once

#include "cuda/kernels/common/row.cuh"
#include "cuda/kernels/layer_norm/layer_norm_params.h"

namespace fusebert::cuda {

__device__ inline int layer_norm_row() {
  return static_cast<int>(blockIdx.x) * kBlockRows +
         static_cast<int>(threadIdx.x) / kRowWarpSize;
}

template <class T, int kChunks>
__device__ inline void normalize(const LayerNormParams& params, int row, Row<T, kChunks>& x) {
  // Divided by, not multiplied with its reciprocal: numbers that are all the same then have
  // themselves as mean, exactly, and no distances that the small deviation would blow up.
  const float columns = static_cast<float>(params.columns);
  const float mean = x.sum() / columns;
  const float variance = x.squares(mean) / columns;
  // NaN and infinity of any number in the row reach the variance.
  if (!isfinite(variance) && threadIdx.x % kRowWarpSize == 0) {
    atomicMin(params.overflow, params.place);
  }
  const float factor = rsqrtf(variance + params.epsilon);
  x.for_each_chunk([&](int chunk, float (&numbers)[kRowChunk]) {
    const float4* gamma = reinterpret_cast<const float4*>(params.gamma) + 2 * chunk;
    const float4* beta = reinterpret_cast<const float4*>(params.beta) + 2 * chunk;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float4 g = __ldg(gamma + half), b = __ldg(beta + half);
      float* four = numbers + 4 * half;
      four[0] = fmaf((four[0] - mean) * factor, g.x, b.x);
      four[1] = fmaf((four[1] - mean) * factor, g.y, b.y);
      four[2] = fmaf((four[2] - mean) * factor, g.z, b.z);
      four[3] = fmaf((four[3] - mean) * factor, g.w, b.w);
    }
  });
  x.store(static_cast<uint4*>(params.out) + static_cast<std::int64_t>(row) * x.chunks);
}

template <class T, int kChunks>
__device__ inline void layer_norm(const LayerNormParams& params) {
  const int row = layer_norm_row();
  if (row >= *params.rows) return;
  Row<T, kChunks> x(params.columns);
  x.load(static_cast<const uint4*>(params.in) + static_cast<std::int64_t>(row) * x.chunks);
  normalize(params, row, x);
}

}  // namespace fusebert::cuda
