// What the logits kernels are given; the same for the host and the device.
#pragma once

#include <cstdint>

#include "cuda/kernels/gemm/gemm_params.h"

namespace fusebert::cuda {

// out = in · weightᵀ + bias, of which the first `outputs` columns are wanted.
struct LogitsParams {
  // Of these in, weight, bias, rows, columns, depth and their strides. `columns` is `outputs`,
  // rounded up to a multiple of 8; weight and bias have as many rows and numbers, of any value.
  GemmParams product;
  float* out = nullptr;  // [*product.rows, outputs], without gaps
  std::int32_t outputs = 0;
  // The least `place` whose logits are NaN or infinite; whoever reads it sets it to more before.
  std::int32_t* overflow = nullptr;
  std::int32_t place = 0;
};

}  // namespace fusebert::cuda
