// Weights as a checkpoint has them, into the kernels' type and layout. Runs once for each tensor.
//
// A thread an element, blocks over rows. Bytes: 2 or 4 read, 2 or 4 written. Limiter: the bus that
// brings the weights.
#include <cmath>

#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/convert/convert_params.h"

namespace fusebert::cuda {

__device__ inline float load_number(const ConvertParams& params, std::int64_t index) {
  switch (params.type) {  // the same for all threads
    case SourceType::kF16: return __half2float(static_cast<const __half*>(params.in)[index]);
    case SourceType::kBF16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(params.in)[index]);
    default: return static_cast<const float*>(params.in)[index];
  }
}

__device__ inline __half to_element(float x, __half) { return __float2half_rn(x); }
__device__ inline __nv_bfloat16 to_element(float x, __nv_bfloat16) {
  return __float2bfloat16_rn(x);
}
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

extern "C" __global__ void __launch_bounds__(256, 1)
    convert(const __grid_constant__ ConvertParams params) {
  for (int row = static_cast<int>(blockIdx.x); row < params.rows;
       row += static_cast<int>(gridDim.x)) {
    const std::int64_t first = static_cast<std::int64_t>(row) * params.columns;
    const std::int64_t out_first =
        static_cast<std::int64_t>(params.row_spread(params.first_row + row)) * params.out_stride;
    for (int column = static_cast<int>(threadIdx.x); column < params.columns;
         column += static_cast<int>(blockDim.x)) {
      const float x = load_number(params, first + column);
      if (!isfinite(x)) atomicMin(params.not_finite, params.place);
      const std::int64_t to = out_first + params.column_spread(column);
      if (params.to_float != 0) {
        static_cast<float*>(params.out)[to] = x;
        continue;
      }
      const Element converted = to_element(x, Element());
      if (isfinite(x) && !isfinite(to_float(converted))) atomicMin(params.too_large, params.place);
      static_cast<Element*>(params.out)[to] = converted;
    }
  }
}

}  // namespace fusebert::cuda
