// Choosing and launching the GEMM kernels.
#pragma once

#include <array>
#include <cstdint>

#include "core/status.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/gemm/gemm_params.h"

namespace fusebert::cuda {

enum class GemmTile { kLarge, kMedium, kSmall };
inline constexpr int kGemmTiles = 3;

struct GemmTileInfo {
  const char* kernel;
  GemmTileShape shape;
};
const GemmTileInfo& gemm_tile_info(GemmTile tile);

// The largest tile of which there are enough to keep the device busy. Results do not depend on it.
GemmTile choose_gemm_tile(std::int64_t rows, std::int64_t columns, int multiprocessors);

class GemmKernels {
 public:
  static Result<GemmKernels> load(const Module& module, int architecture);

  // `most_rows`: at least as many as *params.rows will be.
  Status launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                const GemmParams& params) const;

 private:
  std::array<Kernel, kGemmTiles> kernels_;
  std::array<unsigned, kGemmTiles> shared_bytes_{};
};

}  // namespace fusebert::cuda
