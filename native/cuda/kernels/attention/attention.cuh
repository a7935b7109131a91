// context = softmax(scale · query · keyᵀ) · value for every sequence and head of a packed batch.
//
// Each warp attends for 16 query rows of one (sequence, head), with scores, softmax and sums in
// fp32 registers and products on tensor cores.
//
// Short sequences (short.cuh): 16 · 2^c rows make a group of 2^c warps, so a block takes several
// (sequence, head) pairs. All keys and values of a pair lie in shared memory and a row of scores in
// registers: the softmax is exact, its maximum known before the first exponential.
// Long ones (long.cuh): a block takes kAttentionLongRows queries and passes over the keys in steps,
// rescaling what it has when a larger maximum comes (Milakov and Gimelshein, 2018).
//
// Which of the two depends on the sequence's own length alone, and the order of its sums on nothing
// else, so its result does not depend on the batch.
//
// FLOP: 4 · length² · head_dim of each (sequence, head). Bytes: queries, keys, values and context
// once, keys and values again for every block that shares them. Limiter: for short sequences bytes,
// for long ones tensor cores and exponentials alike.
#pragma once

#include <cstdint>

#include "cuda/kernels/attention/attention_params.h"
#include "cuda/kernels/common/activation.cuh"
#include "cuda/kernels/common/arch.cuh"
#include "cuda/kernels/common/numbers.cuh"
#include "cuda/ptx/ldmatrix.cuh"

namespace fusebert::cuda::attention {

constexpr int kWarpSize = 32;
constexpr int kChunk = 8;          // elements in 16 bytes
constexpr int kRows = 16;          // queries of a warp: the rows of an mma
constexpr int kKeys = 8;           // keys of a fragment of scores: its columns
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// Sizes that follow from head_dim.
template <int kHeadDim_>
struct Shape {
  static constexpr int kHeadDim = kHeadDim_;
  static constexpr int kShortRows = attention_short_rows(kHeadDim);
  static constexpr int kShortThreads = kShortRows / kRows * kWarpSize;
  static constexpr int kLongThreads = kAttentionLongRows / kRows * kWarpSize;
  static constexpr int kStepKeys = attention_step_keys(kHeadDim);
  static constexpr int kChunks = kHeadDim / kChunk;  // of a row
  static constexpr int kFragments = kHeadDim / 8;    // of a row of context
  static constexpr int kSlices = kHeadDim / 16;      // of a row of queries: an mma's depth
  static_assert(kHeadDim == 32 || kHeadDim == 64 || kHeadDim == 128);
};

// Rows of one head's queries, keys or values in shared memory, 16-byte chunks swizzled.
template <class Shape, class Layout>
struct Panel {
  uint4* memory;

  __device__ uint4* chunk(int row, int chunk) const {
    return memory + Layout::template position<Shape::kChunks>(row, chunk);
  }
  __device__ std::uint32_t address(int row, int column_chunk) const {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(chunk(row, column_chunk)));
  }

  // Begins to copy rows [first, first + count) of a matrix, zeros for those from `end` on, by the
  // threads [0, threads) of a group, of which this is `thread`.
  __device__ void copy(const uint4* matrix, std::int64_t row_chunks, int first, int count, int end,
                       int thread, int threads) const {
    for (int i = thread; i < count * Shape::kChunks; i += threads) {
      const int row = i / Shape::kChunks, column = i % Shape::kChunks;
      const bool zeros = first + row >= end;
      // Nothing is read for zeros, but the address should be one that exists.
      const uint4* from = matrix + (zeros ? 0 : (first + row) * row_chunks + column);
      Arch::copy_16(chunk(row, column), from, zeros);
    }
  }
};

// What a group of warps attends for, and where it lies.
template <class Shape>
struct Work {
  const uint4* query;  // of the sequence's first token, this head
  const uint4* key;
  const uint4* value;
  uint4* context;
  std::int64_t in_chunks;   // of a row of query_key_value
  std::int64_t out_chunks;  // of a row of context
  int length;
  int first_query;

  __device__ Work(const AttentionParams& params, const AttentionItem& item, int head)
      : in_chunks(3LL * params.heads * Shape::kChunks),
        out_chunks(static_cast<std::int64_t>(params.heads) * Shape::kChunks),
        length(item.length),
        first_query(item.first_query) {
    query = static_cast<const uint4*>(params.query_key_value) + item.first_token * in_chunks +
            head * Shape::kChunks;
    key = query + out_chunks;
    value = key + out_chunks;
    context = static_cast<uint4*>(params.context) + item.first_token * out_chunks +
              head * Shape::kChunks;
  }
};

// The warp's queries as fragments, from rows [first_row, first_row + 16) of a panel.
template <class Shape>
using Queries = std::uint32_t[Shape::kSlices][4];

template <class Shape, class Layout>
__device__ inline void load_queries(const Panel<Shape, Layout>& panel, int first_row,
                                    Queries<Shape>& queries) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int slice = 0; slice < Shape::kSlices; ++slice) {
    ptx::ldmatrix_x4(queries[slice],
                     panel.address(first_row + lane % 16, 2 * slice + lane / 16));
  }
}

// scores [16, 8 · kTiles] = queries · keysᵀ, keys from row first_key of the panel on.
template <class T, class Shape, class Layout, int kTiles>
__device__ inline void multiply_keys(const Queries<Shape>& queries,
                                     const Panel<Shape, Layout>& keys, int first_key,
                                     float (&scores)[kTiles][4]) {
  static_assert(kTiles % 2 == 0);
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int tile = 0; tile < kTiles; tile += 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[tile][i] = scores[tile + 1][i] = 0.0f;
#pragma unroll
    for (int slice = 0; slice < Shape::kSlices; ++slice) {
      std::uint32_t b[4];  // both halves of a tile's depth, then those of the next tile
      ptx::ldmatrix_x4(b, keys.address(first_key + tile * kKeys + lane % 8 + lane / 16 * 8,
                                       2 * slice + lane / 8 % 2));
      Arch::multiply<T>(scores[tile], queries[slice], b[0], b[1]);
      Arch::multiply<T>(scores[tile + 1], queries[slice], b[2], b[3]);
    }
  }
}

// context [16, head_dim] += weights [16, 8 · kTiles] · values, which lie from row first_key on. The
// sums of an mma are where the next one wants its first factor.
template <class T, class Shape, class Layout, int kTiles>
__device__ inline void multiply_values(const float (&weights)[kTiles][4],
                                       const Panel<Shape, Layout>& values, int first_key,
                                       float (&context)[Shape::kFragments][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int tile = 0; tile < kTiles; tile += 2) {
    const std::uint32_t a[4] = {pack<T>(weights[tile][0], weights[tile][1]),
                                pack<T>(weights[tile][2], weights[tile][3]),
                                pack<T>(weights[tile + 1][0], weights[tile + 1][1]),
                                pack<T>(weights[tile + 1][2], weights[tile + 1][3])};
#pragma unroll
    for (int j = 0; j < Shape::kFragments; j += 2) {
      std::uint32_t b[4];  // both halves of 16 keys for 8 columns, then for the next 8
      ptx::ldmatrix_x4_trans(
          b, values.address(first_key + tile * kKeys + lane % 16, j + lane / 16));
      Arch::multiply<T>(context[j], a, b[0], b[1]);
      Arch::multiply<T>(context[j + 1], a, b[2], b[3]);
    }
  }
}

// Of the four lanes that share a row of scores.
__device__ inline float row_maximum(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

__device__ inline float row_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}

// Of the row `half`, 0 or 1, of this lane's two, among all keys here.
template <int kTiles>
__device__ inline float largest(const float (&scores)[kTiles][4], int half) {
  float maximum = -INFINITY;
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
    maximum = fmaxf(maximum, fmaxf(scores[tile][2 * half], scores[tile][2 * half + 1]));
  }
  return row_maximum(maximum);
}

// Scores of that row become 2^(factor · score - shift), which are added to `sum` in order.
template <int kTiles>
__device__ inline void exponentiate(float factor, float shift, int half,
                                    float (&scores)[kTiles][4], float& sum) {
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int i = 2 * half; i < 2 * half + 2; ++i) {
      scores[tile][i] = ptx::ex2(fmaf(scores[tile][i], factor, -shift));
      sum += scores[tile][i];
    }
  }
}

// Scores of keys that the sequence does not have become -inf. `keys`: how many of these it has.
template <int kTiles>
__device__ inline void mask_keys(int keys, float (&scores)[kTiles][4]) {
  const int first = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (tile * kKeys + first + i % 2 >= keys) scores[tile][i] = -INFINITY;
    }
  }
}

// Writes the warp's 16 rows of context, divided by the sums of their weights, through rows
// [first_row, first_row + 16) of a panel that only this warp uses, in whole 16-byte chunks.
template <class T, class Shape, class Layout>
__device__ inline void store_context(const Work<Shape>& work, int first_query,
                                     const Panel<Shape, Layout>& panel, int first_row,
                                     const float (&context)[Shape::kFragments][4],
                                     const float (&sums)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const float scales[2] = {1.0f / sums[0], 1.0f / sums[1]};
  __syncwarp();  // all lanes have read the queries that lay here
#pragma unroll
  for (int j = 0; j < Shape::kFragments; ++j) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint4* chunk = panel.chunk(first_row + lane / 4 + 8 * half, j);
      reinterpret_cast<std::uint32_t*>(chunk)[lane % 4] =
          pack<T>(context[j][2 * half] * scales[half], context[j][2 * half + 1] * scales[half]);
    }
  }
  __syncwarp();
  for (int i = lane; i < kRows * Shape::kChunks; i += kWarpSize) {
    const int row = i / Shape::kChunks, column = i % Shape::kChunks;
    if (first_query + row >= work.length) continue;
    work.context[(first_query + row) * work.out_chunks + column] =
        *panel.chunk(first_row + row, column);
  }
}

}  // namespace fusebert::cuda::attention
