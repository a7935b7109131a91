// What host and device both know of the kernels that take a warp a row.
#pragma once

namespace fusebert::cuda {

inline constexpr int kRowWarpSize = 32;
// Rows of a block, a warp each; pooling's blocks take a sequence each instead.
inline constexpr int kBlockRows = 8;
inline constexpr int kRowThreads = kBlockRows * kRowWarpSize;

// DEFINE(columns, chunks of a lane) for each length of rows that kernels are made for; a shorter
// row takes the next one.
#define FUSEBERT_FOR_ROWS(DEFINE) \
  DEFINE(256, 1) DEFINE(512, 2) DEFINE(768, 3) DEFINE(1024, 4) DEFINE(2048, 8) DEFINE(4096, 16)

}  // namespace fusebert::cuda
