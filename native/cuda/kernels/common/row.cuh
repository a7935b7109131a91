// A row of a matrix that a warp holds in registers: 8 numbers, 16 bytes in memory, at a time.
//
// kChunks of a lane are enough for rows of 256 · kChunks numbers; those past the row are zero.
#pragma once

#include <cstdint>

#include "cuda/kernels/common/numbers.cuh"
#include "cuda/kernels/common/rows.h"

namespace fusebert::cuda {

constexpr int kRowChunk = 8;

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int distance = kRowWarpSize / 2; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(0xFFFFFFFFu, x, distance);
  }
  return x;  // of all lanes, the same bits in each
}

template <class T>
__device__ inline void unpack_chunk(const uint4& chunk, float (&x)[kRowChunk]) {
  const std::uint32_t pairs[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = unpack<T>(pairs[i]);
    x[2 * i] = pair.x;
    x[2 * i + 1] = pair.y;
  }
}

template <class T>
__device__ inline uint4 pack_chunk(const float (&x)[kRowChunk]) {
  return {pack<T>(x[0], x[1]), pack<T>(x[2], x[3]), pack<T>(x[4], x[5]), pack<T>(x[6], x[7])};
}

template <class T, int kChunks>
struct Row {
  float x[kChunks][kRowChunk];
  int chunks;  // of the whole row

  __device__ explicit Row(int columns) : chunks(columns / kRowChunk) {}

  __device__ static int chunk_of(int i) {
    return static_cast<int>(threadIdx.x) % kRowWarpSize + i * kRowWarpSize;
  }

  // use(chunk, its numbers) for those of this lane that exist.
  template <class Use>
  __device__ void for_each_chunk(const Use& use) {
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      if (chunk_of(i) < chunks) use(chunk_of(i), x[i]);
    }
  }

  __device__ void load(const uint4* row) {
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      const uint4 zeros{0, 0, 0, 0};
      unpack_chunk<T>(chunk_of(i) < chunks ? row[chunk_of(i)] : zeros, x[i]);
    }
  }
  __device__ void add(const uint4* row) {
    for_each_chunk([&](int chunk, float (&numbers)[kRowChunk]) {
      float added[kRowChunk];
      unpack_chunk<T>(row[chunk], added);
#pragma unroll
      for (int j = 0; j < kRowChunk; ++j) numbers[j] += added[j];
    });
  }
  __device__ void store(uint4* row) {
    for_each_chunk([&](int chunk, float (&numbers)[kRowChunk]) {
      row[chunk] = pack_chunk<T>(numbers);
    });
  }

  __device__ float sum() const {
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
#pragma unroll
      for (int j = 0; j < kRowChunk; ++j) total += x[i][j];
    }
    return warp_sum(total);
  }

  // Of squared distances from `mean`.
  __device__ float squares(float mean) {
    float total = 0.0f;
    for_each_chunk([&](int, float (&numbers)[kRowChunk]) {
#pragma unroll
      for (int j = 0; j < kRowChunk; ++j) {
        total = fmaf(numbers[j] - mean, numbers[j] - mean, total);
      }
    });
    return warp_sum(total);
  }
};

}  // namespace fusebert::cuda
