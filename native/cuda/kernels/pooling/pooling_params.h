// What the kernels that end an encoder are given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

enum class PoolingKind : std::int32_t {
  kMean, kCls, kMax, kMeanSqrtLen, kWeightedMean, kLastToken
};

// Warps of a block, that is rows in flight, by the row's length: their partial results share
// memory.
constexpr int pooling_warps(int columns) { return columns <= 1024 ? 8 : 2; }

// out[sequence] = mean, first, maximum or last of the sequence's rows, their sum over the root of
// their number, or their mean by weights, which are the rows' numbers from 1 on; in fp32, divided
// by its L2 norm (at least 1e-12, as torch.nn.functional.normalize) on request.
struct PoolingParams {
  const void* in = nullptr;                  // [tokens, columns], 16-bit numbers
  float* out = nullptr;                      // [sequences, columns], rows out_stride apart
  const std::int32_t* cu_seqlens = nullptr;  // [sequences + 1]
  const std::int32_t* sequences = nullptr;   // how many; blocks past them end
  std::int32_t columns = 0;                  // a multiple of 8, at most 4096
  PoolingKind kind = PoolingKind::kMean;
  std::int32_t normalize = 0;
  std::int32_t out_stride = 0;
  std::int32_t skip = 0;  // rows at the start of each sequence that are left out, but for its last
};

// out[i] = in[row of i] in fp32, or in 16 bits, divided by its L2 norm on request.
struct RowsParams {
  const void* in = nullptr;                // [tokens, columns], 16-bit numbers
  void* out = nullptr;                     // [*rows, columns], fp32 or 16 bits
  const std::int32_t* indices = nullptr;   // [*rows] of rows of `in`; null: all, in order
  const std::int32_t* rows = nullptr;
  std::int32_t columns = 0;                // a multiple of 8
  std::int32_t normalize = 0;              // of fp32 only
};

}  // namespace fusebert::cuda
