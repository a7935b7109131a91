// What the GEMM kernels are given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

enum class GemmActivation : std::int32_t { kNone, kGelu, kGeluTanh, kRelu, kTanh };

// A block makes rows x columns of the result, each of its warps warp_rows x warp_columns of that.
struct GemmTileShape {
  int rows, columns, warp_rows, warp_columns;
  int stages;  // from sm_80 on; before it two

  constexpr int threads() const {
    constexpr int kWarpThreads = 32;
    return rows / warp_rows * (columns / warp_columns) * kWarpThreads;
  }
};
// Small tiles have more stages: with few blocks, each must keep more of the weights on their way.
inline constexpr GemmTileShape kLargeTile{128, 128, 64, 64, 3};
inline constexpr GemmTileShape kMediumTile{64, 64, 32, 32, 4};
inline constexpr GemmTileShape kSmallTile{32, 32, 16, 16, 8};
// Elements of a row in a stage.
inline constexpr int kGemmStageDepth = 32;

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
