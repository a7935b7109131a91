// The host's side of the GEMM kernels.
#include "cuda/kernels/gemm/gemm.h"

#include <cstddef>

namespace fusebert::cuda {
namespace {

constexpr int kStageDepth = 32;
constexpr int kElementBytes = 2;
constexpr int kFirstWithAsyncCopies = 80;

constexpr GemmTileInfo kTiles[kGemmTiles] = {
    {.kernel = "gemm_large", .rows = 128, .columns = 128, .threads = 128, .stages = 3},
    {.kernel = "gemm_medium", .rows = 64, .columns = 64, .threads = 128, .stages = 4},
    {.kernel = "gemm_small", .rows = 32, .columns = 32, .threads = 128, .stages = 8},
};

std::int64_t tiles_of(std::int64_t rows, std::int64_t columns, const GemmTileInfo& info) {
  return ((rows + info.rows - 1) / info.rows) * ((columns + info.columns - 1) / info.columns);
}

}  // namespace

const GemmTileInfo& gemm_tile_info(GemmTile tile) { return kTiles[static_cast<std::size_t>(tile)]; }

GemmTile choose_gemm_tile(std::int64_t rows, std::int64_t columns, int multiprocessors) {
  // Four fifths of the multiprocessors with a large tile each do more than all with smaller ones.
  for (const GemmTile tile : {GemmTile::kLarge, GemmTile::kMedium}) {
    if (5 * tiles_of(rows, columns, gemm_tile_info(tile)) >= 4 * multiprocessors) return tile;
  }
  return GemmTile::kSmall;
}

Result<GemmKernels> GemmKernels::load(const Module& module, int architecture) {
  GemmKernels gemm;
  for (std::size_t i = 0; i < kGemmTiles; ++i) {
    const GemmTileInfo& info = kTiles[i];
    const int stages = architecture >= kFirstWithAsyncCopies ? info.stages : 2;
    gemm.shared_bytes_[i] = static_cast<unsigned>(stages * (info.rows + info.columns) *
                                                  kStageDepth * kElementBytes);
    auto kernel = Kernel::find(module, info.kernel, gemm.shared_bytes_[i]);
    if (!kernel.ok()) return kernel.status();
    gemm.kernels_[i] = kernel.value();
  }
  return gemm;
}

Status GemmKernels::launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                           const GemmParams& params) const {
  const auto index = static_cast<std::size_t>(tile);
  const GemmTileInfo& info = kTiles[index];
  const LaunchShape shape{
      .blocks = static_cast<unsigned>(tiles_of(most_rows, params.columns, info)),
      .threads = static_cast<unsigned>(info.threads),
      .shared_bytes = shared_bytes_[index]};
  return kernels_[index].launch(stream, shape, params);
}

}  // namespace fusebert::cuda
