// The GEMM kernels in every size of tile. gemm.h chooses among them.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/swizzle.cuh"
#include "cuda/kernels/gemm/gemm.cuh"

namespace fusebert::cuda::gemm {

// Small tiles have more stages: with few blocks, each must keep more of the weights on their way.
using Large = Tile<128, 128, 64, 64, 3>;
using Medium = Tile<64, 64, 32, 32, 4>;
using Small = Tile<32, 32, 16, 16, 8>;

#define FUSEBERT_GEMM(name, tile, blocks)                                                  \
  extern "C" __global__ void __launch_bounds__(tile::kThreads, blocks)                     \
      name(const __grid_constant__ GemmParams params) {                                    \
    gemm<Element, tile, Swizzled>(params);                                                 \
  }

FUSEBERT_GEMM(gemm_large, Large, 2)
FUSEBERT_GEMM(gemm_medium, Medium, 4)
FUSEBERT_GEMM(gemm_small, Small, 6)

}  // namespace fusebert::cuda::gemm
