// One vector a sequence from its rows, and rows as they are, for the way back to the host.
//
// pool: a block a sequence; its warps take rows in turn, keep what they have of whole rows in fp32,
// and put it together in shared memory in the order of their numbers, so that the result depends on
// nothing but the sequence. Bytes: 2 · columns a token read, 4 · columns a sequence written.
// copy_rows, gather_rows: a warp a row. Limiter of all: memory.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/row.cuh"
#include "cuda/kernels/pooling/pooling_params.h"

namespace fusebert::cuda {

constexpr float kLeastNorm = 1e-12f;

__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kRowWarpSize; }

// The sum of x over the block's threads, in all of them. `scratch`: a float a warp.
__device__ inline float block_sum(float x, float* scratch) {
  x = warp_sum(x);
  if (threadIdx.x % kRowWarpSize == 0) scratch[warp_index()] = x;
  __syncthreads();
  float sum = 0.0f;
  for (unsigned i = 0; i < blockDim.x / kRowWarpSize; ++i) sum += scratch[i];
  return sum;
}

// The rows of a sequence that are pooled, and what their sum is multiplied by.
struct PooledRows {
  int first, end;
  int weight;  // of the first row; the others' follow. 0: all are 1
  float scale;
};

__device__ inline PooledRows pooled_rows(const PoolingParams& params, int begin, int end) {
  const int skipped = min(params.skip, end - 1 - begin), first = begin + skipped;
  const int rows = end - first;
  const float count = static_cast<float>(rows);
  switch (params.kind) {
    case PoolingKind::kMean: return {first, end, 0, 1.0f / count};
    case PoolingKind::kCls: return {first, first + 1, 0, 1.0f};
    case PoolingKind::kMax: return {first, end, 0, 1.0f};
    case PoolingKind::kMeanSqrtLen: return {first, end, 0, 1.0f / sqrtf(count)};
    case PoolingKind::kWeightedMean: {
      const float ends = static_cast<float>(2 * skipped + 1 + rows);  // first and last weight
      return {first, end, skipped + 1, 2.0f / (count * ends)};
    }
    case PoolingKind::kLastToken: break;
  }
  return {end - 1, end, 0, 1.0f};
}

// What this warp has of the sequence's rows, into its row of `partial`.
template <int kChunks>
__device__ inline void reduce_rows(const PoolingParams& params, const PooledRows& rows,
                                   float* partial) {
  const int warps = static_cast<int>(blockDim.x) / kRowWarpSize;
  const bool maximum = params.kind == PoolingKind::kMax;
  Row<Element, kChunks> total(params.columns), row(params.columns);
  const auto* in = static_cast<const uint4*>(params.in);
  for (auto& chunk : total.x) {
    for (float& number : chunk) number = maximum ? -INFINITY : 0.0f;
  }
  for (int index = rows.first + warp_index(); index < rows.end; index += warps) {
    row.load(in + static_cast<std::int64_t>(index) * row.chunks);
    const float weight =
        rows.weight == 0 ? 1.0f : static_cast<float>(rows.weight + index - rows.first);
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
#pragma unroll
      for (int j = 0; j < kRowChunk; ++j) {
        total.x[i][j] = maximum ? fmaxf(total.x[i][j], row.x[i][j])
                                : fmaf(weight, row.x[i][j], total.x[i][j]);
      }
    }
  }
  total.for_each_chunk([&](int chunk, float (&numbers)[kRowChunk]) {
    auto* four = reinterpret_cast<float4*>(partial + chunk * kRowChunk);
    four[0] = {numbers[0], numbers[1], numbers[2], numbers[3]};
    four[1] = {numbers[4], numbers[5], numbers[6], numbers[7]};
  });
}

template <int kChunks>
__device__ inline void pool(const PoolingParams& params) {
  extern __shared__ float partials[];  // [warps, columns], then a float a warp
  const int sequence = static_cast<int>(blockIdx.x);
  if (sequence >= *params.sequences) return;
  const PooledRows rows =
      pooled_rows(params, params.cu_seqlens[sequence], params.cu_seqlens[sequence + 1]);
  const int warps = static_cast<int>(blockDim.x) / kRowWarpSize;
  reduce_rows<kChunks>(params, rows, partials + warp_index() * params.columns);
  __syncthreads();
  float* out = params.out + static_cast<std::int64_t>(sequence) * params.out_stride;
  const int busy = min(warps, rows.end - rows.first);  // others had no row
  float squares = 0.0f;
  for (int column = static_cast<int>(threadIdx.x); column < params.columns;
       column += static_cast<int>(blockDim.x)) {
    float x = partials[column];
    for (int warp = 1; warp < busy; ++warp) {
      const float other = partials[warp * params.columns + column];
      x = params.kind == PoolingKind::kMax ? fmaxf(x, other) : x + other;
    }
    x *= rows.scale;
    squares = fmaf(x, x, squares);
    partials[column] = x;  // this thread's alone from here on
  }
  float factor = 1.0f;
  if (params.normalize != 0) {
    squares = block_sum(squares, partials + warps * params.columns);
    factor = 1.0f / fmaxf(sqrtf(squares), kLeastNorm);
  }
  for (int column = static_cast<int>(threadIdx.x); column < params.columns;
       column += static_cast<int>(blockDim.x)) {
    out[column] = partials[column] * factor;
  }
}

template <int kChunks>
__device__ inline bool load_row(const RowsParams& params, int& index,
                                Row<Element, kChunks>& row) {
  index = static_cast<int>(blockIdx.x) * kBlockRows + warp_index();
  if (index >= *params.rows) return false;
  const std::int64_t from = params.indices == nullptr ? index : params.indices[index];
  row.load(static_cast<const uint4*>(params.in) + from * row.chunks);
  return true;
}

template <int kChunks>
__device__ inline void copy_rows(const RowsParams& params) {
  int index;
  Row<Element, kChunks> row(params.columns);
  if (!load_row(params, index, row)) return;
  const float factor =
      params.normalize != 0 ? 1.0f / fmaxf(sqrtf(row.squares(0.0f)), kLeastNorm) : 1.0f;
  auto* out = static_cast<float4*>(params.out) + 2 * static_cast<std::int64_t>(index) * row.chunks;
  row.for_each_chunk([&](int chunk, float (&x)[kRowChunk]) {
    out[2 * chunk] = {x[0] * factor, x[1] * factor, x[2] * factor, x[3] * factor};
    out[2 * chunk + 1] = {x[4] * factor, x[5] * factor, x[6] * factor, x[7] * factor};
  });
}

template <int kChunks>
__device__ inline void gather_rows(const RowsParams& params) {
  int index;
  Row<Element, kChunks> row(params.columns);
  if (!load_row(params, index, row)) return;
  row.store(static_cast<uint4*>(params.out) + static_cast<std::int64_t>(index) * row.chunks);
}

#define FUSEBERT_POOLING(columns, chunks)                                             \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      pool_##columns(const __grid_constant__ PoolingParams params) {                  \
    pool<chunks>(params);                                                             \
  }                                                                                   \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      copy_rows_##columns(const __grid_constant__ RowsParams params) {                \
    copy_rows<chunks>(params);                                                        \
  }                                                                                   \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      gather_rows_##columns(const __grid_constant__ RowsParams params) {              \
    gather_rows<chunks>(params);                                                      \
  }

FUSEBERT_FOR_ROWS(FUSEBERT_POOLING)

}  // namespace fusebert::cuda
