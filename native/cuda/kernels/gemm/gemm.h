// Choosing and launching the GEMM kernels.
#pragma once

#include <array>
#include <cstdint>

#include "core/status.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/gemm/gemm_params.h"

namespace fusebert::cuda {

// A tile's shape in the images that a device of this architecture runs.
GemmTileShape gemm_launch_shape(GemmTile tile, int architecture);
// The launch that makes a product [most_rows, columns] in tiles of a shape.
LaunchShape gemm_launch(const GemmTileShape& shape, std::int64_t most_rows, std::int64_t columns);

// The kernel that makes tiles of a size: "gemm_large".
const char* gemm_kernel(GemmTile tile);

// The tile with which the product [rows, columns] takes the least time by a model: a multiprocessor
// takes its tiles in turn, small ones at a lower rate. Results do not depend on it.
GemmTile choose_gemm_tile(std::int64_t rows, std::int64_t columns, int multiprocessors);

class GemmKernels {
 public:
  static Result<GemmKernels> load(const Module& module, int architecture);

  // `most_rows`: at least as many as *params.rows will be.
  Status launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                const GemmParams& params) const;

 private:
  std::array<Kernel, kGemmTiles> kernels_;
  std::array<GemmTileShape, kGemmTiles> shapes_{};
};

}  // namespace fusebert::cuda
