// The GEMM kernels in every size of tile. gemm.h chooses among them.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/swizzle.cuh"
#include "cuda/kernels/gemm/gemm.cuh"

namespace fusebert::cuda::gemm {

template <const GemmTileShape& kShape>
using TileOf = Tile<kShape.rows, kShape.columns, kShape.warp_rows, kShape.warp_columns,
                    kShape.stages>;
using Large = TileOf<kLargeTile>;
using Medium = TileOf<kMediumTile>;
using Small = TileOf<kSmallTile>;

#define FUSEBERT_GEMM(name, tile, blocks)                                                  \
  extern "C" __global__ void __launch_bounds__(tile::kThreads, blocks)                     \
      name(const __grid_constant__ GemmParams params) {                                    \
    gemm<Element, tile, Swizzled>(params);                                                 \
  }

FUSEBERT_GEMM(gemm_large, Large, 2)
FUSEBERT_GEMM(gemm_medium, Medium, 4)
FUSEBERT_GEMM(gemm_small, Small, 6)

}  // namespace fusebert::cuda::gemm
