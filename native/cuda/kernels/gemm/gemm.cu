// The GEMM kernels in every size of tile. gemm.h chooses among them.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/swizzle.cuh"
#include "cuda/kernels/gemm/gemm.cuh"

namespace fusebert::cuda::gemm {

#define FUSEBERT_GEMM(name, tile)                                                          \
  extern "C" __global__ void __launch_bounds__(TileOf<tile>::kThreads, TileOf<tile>::kBlocks) \
      name(const __grid_constant__ GemmParams params) {                                    \
    gemm<Element, TileOf<tile>, Swizzled>(params);                                         \
  }

FUSEBERT_GEMM(gemm_large, GemmTile::kLarge)
FUSEBERT_GEMM(gemm_medium, GemmTile::kMedium)
FUSEBERT_GEMM(gemm_small, GemmTile::kSmall)

}  // namespace fusebert::cuda::gemm
