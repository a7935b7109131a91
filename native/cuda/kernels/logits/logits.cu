// The logits kernels in every size of tile, chosen as those of gemm.h are.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/swizzle.cuh"
#include "cuda/kernels/logits/logits.cuh"

namespace fusebert::cuda::logits {

#define FUSEBERT_LOGITS(name, tile)                                     \
  extern "C" __global__ void __launch_bounds__(                         \
      gemm::TileOf<tile>::kThreads, gemm::TileOf<tile>::kBlocks)        \
      name(const __grid_constant__ LogitsParams params) {               \
    logits<Element, gemm::TileOf<tile>, Swizzled>(params);              \
  }

FUSEBERT_LOGITS(logits_large, GemmTile::kLarge)
FUSEBERT_LOGITS(logits_medium, GemmTile::kMedium)
FUSEBERT_LOGITS(logits_small, GemmTile::kSmall)

}  // namespace fusebert::cuda::logits
