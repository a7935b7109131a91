// The special function unit's exp2 and reciprocal.
#pragma once

namespace fusebert::cuda::ptx {

// 2^x; relative error at most 2^-22, ex2(-inf) = 0, subnormal results are zero.
__device__ inline float ex2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// 1 / x; at most 1 ulp.
__device__ inline float rcp(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace fusebert::cuda::ptx
