// The LayerNorm kernels for each length of rows.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/layer_norm/layer_norm.cuh"

namespace fusebert::cuda {

#define FUSEBERT_LAYER_NORM(columns, chunks)                                          \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      layer_norm_##columns(const __grid_constant__ LayerNormParams params) {          \
    layer_norm<Element, chunks>(params);                                              \
  }

FUSEBERT_FOR_ROWS(FUSEBERT_LAYER_NORM)

}  // namespace fusebert::cuda
