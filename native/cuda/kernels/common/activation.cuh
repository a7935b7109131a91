// Activation functions in fp32, for epilogues whose result is rounded to 16 bits.
#pragma once

#include "cuda/ptx/approximate.cuh"

namespace fusebert::cuda {

inline constexpr float kLog2E = 1.44269504088896341f;

// x/2 · (1 + erf(x/√2)). With z = |x|/√2 and t = 1/(1 + p z), erfc(z) = (a1 t + … + a5 t⁵) e^(-z²),
// within 1.5e-7 (Abramowitz and Stegun, 7.1.26). Taken as erfc it does not cancel where x is below
// zero; what is left is the formula's own relative error, 5e-5 at -3 and 1.6e-3 at -5.
struct Gelu {
  __device__ static float apply(float x) {
    constexpr float kP = 0.3275911f, kA1 = 0.254829592f, kA2 = -0.284496736f, kA3 = 1.421413741f,
                    kA4 = -1.453152027f, kA5 = 1.061405429f, kHalfSqrt = 0.70710678118654752f;
    const float z = fabsf(x) * kHalfSqrt;
    const float t = ptx::rcp(fmaf(kP, z, 1.0f));
    const float sum = fmaf(fmaf(fmaf(fmaf(kA5, t, kA4), t, kA3), t, kA2), t, kA1) * t;
    const float half = 0.5f * x * sum * ptx::ex2(-kLog2E * z * z);  // x/2 · erfc(z)
    return x < 0.0f ? half : x - half;
  }
};

// x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))) = x · σ(2 √(2/π) (x + 0.044715 x³)), transformers'
// gelu_new. Where the exponent overflows, the reciprocal of infinity is the zero that is wanted.
struct GeluTanh {
  __device__ static float apply(float x) {
    constexpr float kTwoSqrt = 1.59576912160573071f, kCubic = 0.044715f;
    const float inner = kTwoSqrt * fmaf(kCubic * x * x, x, x);
    return x * ptx::rcp(1.0f + ptx::ex2(-kLog2E * inner));
  }
};

// x · σ(factor · x), given factor · log₂ e; as above where the exponent overflows.
__device__ inline float sigmoid_product(float x, float factor_log2) {
  return x * ptx::rcp(1.0f + ptx::ex2(-factor_log2 * x));
}

struct QuickGelu {
  __device__ static float apply(float x) { return sigmoid_product(x, 1.702f * kLog2E); }
};

struct Silu {
  __device__ static float apply(float x) { return sigmoid_product(x, kLog2E); }
};

struct Relu {
  // Unlike fmaxf it keeps NaN.
  __device__ static float apply(float x) { return x < 0.0f ? 0.0f : x; }
};

// (1 - e) / (1 + e) with e = e^(-2|x|); the first terms of the series where that would cancel.
struct Tanh {
  __device__ static float apply(float x) {
    constexpr float kSmall = 0.1f;  // the term left out, 17/315 x⁷, is less than half an ulp below
    const float e = ptx::ex2(-2.0f * kLog2E * fabsf(x));
    const float large = copysignf((1.0f - e) * ptx::rcp(1.0f + e), x);
    const float square = x * x;
    const float small = x * fmaf(square, fmaf(square, 2.0f / 15.0f, -1.0f / 3.0f), 1.0f);
    return fabsf(x) < kSmall ? small : large;
  }
};

}  // namespace fusebert::cuda
