// The host's side of the GEMM kernels.
#include "cuda/kernels/gemm/gemm.h"

#include <cstddef>

namespace fusebert::cuda {
namespace {

constexpr int kElementBytes = 2;
constexpr int kFirstWithAsyncCopies = 80;

constexpr GemmTileInfo kTiles[kGemmTiles] = {
    {"gemm_large", kLargeTile}, {"gemm_medium", kMediumTile}, {"gemm_small", kSmallTile}};

std::int64_t tiles_of(std::int64_t rows, std::int64_t columns, const GemmTileShape& shape) {
  return ((rows + shape.rows - 1) / shape.rows) * ((columns + shape.columns - 1) / shape.columns);
}

}  // namespace

const GemmTileInfo& gemm_tile_info(GemmTile tile) { return kTiles[static_cast<std::size_t>(tile)]; }

GemmTile choose_gemm_tile(std::int64_t rows, std::int64_t columns, int multiprocessors) {
  // Four fifths of the multiprocessors with a large tile each do more than all with smaller ones.
  for (const GemmTile tile : {GemmTile::kLarge, GemmTile::kMedium}) {
    if (5 * tiles_of(rows, columns, gemm_tile_info(tile).shape) >= 4 * multiprocessors) return tile;
  }
  return GemmTile::kSmall;
}

Result<GemmKernels> GemmKernels::load(const Module& module, int architecture) {
  GemmKernels gemm;
  for (std::size_t i = 0; i < kGemmTiles; ++i) {
    const auto& [name, shape] = kTiles[i];
    const int stages = architecture >= kFirstWithAsyncCopies ? shape.stages : 2;
    gemm.shared_bytes_[i] = static_cast<unsigned>(stages * (shape.rows + shape.columns) *
                                                  kGemmStageDepth * kElementBytes);
    auto kernel = Kernel::find(module, name, gemm.shared_bytes_[i]);
    if (!kernel.ok()) return kernel.status();
    gemm.kernels_[i] = kernel.value();
  }
  return gemm;
}

Status GemmKernels::launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                           const GemmParams& params) const {
  const auto index = static_cast<std::size_t>(tile);
  const GemmTileShape& shape = kTiles[index].shape;
  const LaunchShape launch{
      .blocks = static_cast<unsigned>(tiles_of(most_rows, params.columns, shape)),
      .threads = static_cast<unsigned>(shape.threads()),
      .shared_bytes = shared_bytes_[index]};
  return kernels_[index].launch(stream, launch, params);
}

}  // namespace fusebert::cuda
