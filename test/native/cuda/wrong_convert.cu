// The kernel that converts weights, wrong on purpose: it cuts digits off instead of rounding. The
// check that the right one passes must fail for it (test/native/cuda/convert_test.cc).
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define __float2half_rn __float2half_rz
#define __float2bfloat16_rn __float2bfloat16_rz
#include "cuda/kernels/convert/convert.cu"
