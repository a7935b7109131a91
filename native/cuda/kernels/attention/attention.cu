// The attention kernels for each head_dim. attention.h cuts a batch into their blocks.
#include "cuda/kernels/attention/long.cuh"
#include "cuda/kernels/attention/short.cuh"
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/common/swizzle.cuh"

namespace fusebert::cuda::attention {

#define FUSEBERT_ATTENTION(head_dim)                                                 \
  extern "C" __global__ void                                                         \
  __launch_bounds__(Shape<head_dim>::kShortThreads, Arch::kBlocksOf48KiB)            \
      attention_short_##head_dim(const __grid_constant__ AttentionParams params) {   \
    attend_short<Element, Shape<head_dim>, Swizzled>(params);                        \
  }                                                                                  \
  extern "C" __global__ void __launch_bounds__(Shape<head_dim>::kLongThreads, 2)     \
      attention_long_##head_dim(const __grid_constant__ AttentionParams params) {    \
    attend_long<Element, Shape<head_dim>, Swizzled>(params);                         \
  }

FUSEBERT_ATTENTION(32)
FUSEBERT_ATTENTION(64)
FUSEBERT_ATTENTION(128)

}  // namespace fusebert::cuda::attention
