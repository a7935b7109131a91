// The type that activations and weights are stored in: every kernel's file is compiled once for
// each.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace fusebert::cuda {

#ifdef FUSEBERT_BF16
using Element = __nv_bfloat16;
#else
using Element = __half;
#endif

}  // namespace fusebert::cuda
