// The host's side of the GEMM kernels.
#include "cuda/kernels/gemm/gemm.h"

#include <cstddef>
#include <limits>

#include "cuda/kernels/common/images.h"

namespace fusebert::cuda {
namespace {

constexpr GemmTile kTiles[kGemmTiles] = {GemmTile::kLarge, GemmTile::kMedium, GemmTile::kSmall};
constexpr const char* kKernels[kGemmTiles] = {"gemm_large", "gemm_medium", "gemm_small"};

// What a multiprocessor does in a time, relative to large tiles: the rates that large products
// reach with each (docs/decisions/012).
constexpr double kRates[kGemmTiles] = {1.0, 0.8, 0.42};

std::int64_t tiles_of(std::int64_t rows, std::int64_t columns, const GemmTileShape& shape) {
  return ((rows + shape.rows - 1) / shape.rows) * ((columns + shape.columns - 1) / shape.columns);
}

}  // namespace

GemmTileShape gemm_launch_shape(GemmTile tile, int architecture) {
  return gemm_tile_shape(tile, image_architecture(architecture));
}

LaunchShape gemm_launch(const GemmTileShape& shape, std::int64_t most_rows, std::int64_t columns) {
  return {.blocks = static_cast<unsigned>(tiles_of(most_rows, columns, shape)),
          .threads = static_cast<unsigned>(shape.threads()),
          .shared_bytes = static_cast<unsigned>(shape.shared_bytes())};
}

const char* gemm_kernel(GemmTile tile) { return kKernels[static_cast<std::size_t>(tile)]; }

GemmTile choose_gemm_tile(std::int64_t rows, std::int64_t columns, int multiprocessors) {
  GemmTile best = GemmTile::kLarge;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < kGemmTiles; ++i) {
    // Its size is that of all architectures.
    const GemmTileShape shape = gemm_tile_shape(kTiles[i], 80);
    const std::int64_t tiles = tiles_of(rows, columns, shape);
    const std::int64_t turns = (tiles + multiprocessors - 1) / multiprocessors;
    const double time = static_cast<double>(turns * shape.rows * shape.columns) / kRates[i];
    if (time < least) {
      least = time;
      best = kTiles[i];
    }
  }
  return best;
}

Result<GemmKernels> GemmKernels::load(const Module& module, int architecture) {
  GemmKernels gemm;
  for (std::size_t i = 0; i < kGemmTiles; ++i) {
    const GemmTileShape shape = gemm_launch_shape(kTiles[i], architecture);
    auto kernel =
        Kernel::find(module, kKernels[i], static_cast<unsigned>(shape.shared_bytes()));
    if (!kernel.ok()) return kernel.status();
    gemm.kernels_[i] = kernel.value();
    gemm.shapes_[i] = shape;
  }
  return gemm;
}

Status GemmKernels::launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                           const GemmParams& params) const {
  const auto index = static_cast<std::size_t>(tile);
  return kernels_[index].launch(stream, gemm_launch(shapes_[index], most_rows, params.columns),
                                params);
}

}  // namespace fusebert::cuda
