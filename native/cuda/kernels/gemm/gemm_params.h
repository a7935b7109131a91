// What the GEMM kernels are given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

enum class GemmActivation : std::int32_t {
  kNone, kGelu, kGeluTanh, kQuickGelu, kRelu, kSilu, kTanh
};

enum class GemmTile { kLarge, kMedium, kSmall };
inline constexpr int kGemmTiles = 3;

// A block makes rows x columns of the result, each of its warps warp_rows x warp_columns of that,
// in steps of `depth` elements of which `stages` are in shared memory.
struct GemmTileShape {
  int rows, columns, warp_rows, warp_columns;
  int depth, stages;
  int blocks;  // of a multiprocessor, that registers are planned for

  constexpr int threads() const {
    constexpr int kWarpThreads = 32;
    return rows / warp_rows * (columns / warp_columns) * kWarpThreads;
  }
  constexpr int shared_bytes() const {
    constexpr int kElementBytes = 2;
    return stages * (rows + columns) * depth * kElementBytes;
  }
};

// The shapes of an architecture: 80 is sm_80. Longer steps mean fewer barriers; those of small
// tiles are the longest, and their stages the most, because with few blocks each must keep more of
// the weights on their way. Measured on sm_90 (docs/decisions/012). Where there is less shared
// memory, less is planned; before sm_80, without asynchronous copies, two stages are all that is of
// use.
constexpr GemmTileShape gemm_tile_shape(GemmTile tile, int architecture) {
  const bool async = architecture >= 80, most = architecture >= 90;
  switch (tile) {
    case GemmTile::kLarge: return {128, 128, 64, async ? 32 : 64, async ? 64 : 32, 2, 2};
    case GemmTile::kMedium:
      return {64, 64, 32, 32, async ? 64 : 32, most ? 4 : async ? 3 : 2, async ? 3 : 4};
    case GemmTile::kSmall: break;
  }
  return {32, 32, 16, 16, async ? 128 : 32, most ? 4 : async ? 3 : 2, 3};
}

// out = activation(in · weightᵀ + bias) + residual. `in`, `weight`, `residual` and `out` hold
// 16-bit numbers, all of the kernel's type, in rows that begin at multiples of 16 bytes.
struct GemmParams {
  const void* in = nullptr;        // [*rows, depth], rows `in_stride` elements apart
  const void* weight = nullptr;    // [columns, depth], as PyTorch has it, `weight_stride` apart
  const float* bias = nullptr;     // [columns]
  const void* residual = nullptr;  // [*rows, columns] like `out`; null for none; may be `out`
  void* out = nullptr;             // [*rows, columns], rows `out_stride` apart
  // In device memory, so that one graph serves all batches of about a size. Blocks past it end.
  const std::int32_t* rows = nullptr;
  std::int32_t columns = 0;  // a multiple of 8
  std::int32_t depth = 0;    // a multiple of 8
  std::int32_t in_stride = 0;
  std::int32_t weight_stride = 0;
  std::int32_t out_stride = 0;
  GemmActivation activation = GemmActivation::kNone;
};

}  // namespace fusebert::cuda
