// Elementary functions on vectors, written once for every instruction set: exp, tanh and the GELUs.
//
// exp: x·log2(e) = n + f with integer n and |f| ≤ 1/2; 2^f is a minimax polynomial of degree 6
//   (relative error 1.9e-9 before rounding), scaled by 2^n. Relative error ≤ 2.5e-7 over
//   [-86, 88]; arguments below -86 are taken as -86.
// gelu: with u = |x| and T(u) = erfc(u/√2)/2, gelu(x) = max(x, 0) - u·T(u), which has no
//   cancellation. log2 T is smooth and nearly quadratic: a polynomial of degree 8 on [0, 8],
//   minimax in the error of u·T(u) (7e-9 before rounding). Absolute error ≤ 1e-7 + 1 ulp of gelu.
// tanh: 1 - 2/(1 + e^2x): absolute error ≤ 2e-7.
// x·σ(factor·x) = x/(1 + e^(-factor·x)): relative error ≤ 4e-7 down to factor·x = -88, where the
//   exponential is cut off and |x|·1e-38 is left.
//
// Included only by files of one instruction set; everything has internal linkage, because a
// function compiled with wide instructions must never be the copy the linker keeps for everyone.
#pragma once

#include <cstdint>

namespace fusebert::cpu {
namespace {

// 2^(n + f) for integral n in [-125, 127] and |f| ≤ 1/2.
template <class V>
inline V exp2_split(V n, V f) {
  V p = V::broadcast(1.53458110e-4f);
  p = fma(p, f, V::broadcast(1.33999309e-3f));
  p = fma(p, f, V::broadcast(9.61848907e-3f));
  p = fma(p, f, V::broadcast(5.55032864e-2f));
  p = fma(p, f, V::broadcast(2.40226462e-1f));
  p = fma(p, f, V::broadcast(6.93147182e-1f));
  p = fma(p, f, V::broadcast(1.0f));
  return scale_by_power_of_two(p, n);
}

// 2^x for x ≤ 0, where what is below 2^-125 may as well be that. For softmax, where the result's
// error matters relative to 1: degree 5, relative error 7.5e-8 before rounding.
template <class V>
inline V exp2(V x) {
  x = max(x, V::broadcast(-125.0f));
  const V n = round_to_integral(x);
  const V f = x - n;
  V p = V::broadcast(1.32764713e-3f);
  p = fma(p, f, V::broadcast(9.67554096e-3f));
  p = fma(p, f, V::broadcast(5.55071309e-2f));
  p = fma(p, f, V::broadcast(2.40221202e-1f));
  p = fma(p, f, V::broadcast(6.93146944e-1f));
  p = fma(p, f, V::broadcast(1.00000012f));
  return scale_by_power_of_two(p, n);
}

template <class V>
inline V exp(V x) {
  // log2(e) as the sum of two floats, so that f keeps its low bits for large |x|.
  constexpr float kLog2EHigh = 1.44269502f;
  constexpr float kLog2ELow = 1.92596303e-8f;
  x = min(max(x, V::broadcast(-86.0f)), V::broadcast(88.0f));
  const V n = round_to_integral(x * V::broadcast(kLog2EHigh));
  V f = fma(x, V::broadcast(kLog2EHigh), V::zero() - n);
  f = fma(x, V::broadcast(kLog2ELow), f);
  return exp2_split(n, f);
}

template <class V>
inline V tanh(V x) {
  const V e = exp(x + x);
  return V::broadcast(1.0f) - V::broadcast(2.0f) / (V::broadcast(1.0f) + e);
}

template <class V>
inline V gelu(V x) {
  const V u = min(abs(x), V::broadcast(8.0f));
  V p = V::broadcast(-1.69040322e-6f);
  p = fma(p, u, V::broadcast(2.50833291e-5f));
  p = fma(p, u, V::broadcast(-1.14462797e-4f));
  p = fma(p, u, V::broadcast(-3.2334181e-4f));
  p = fma(p, u, V::broadcast(7.33338343e-3f));
  p = fma(p, u, V::broadcast(-5.27141988e-2f));
  p = fma(p, u, V::broadcast(-4.59115446e-1f));
  p = fma(p, u, V::broadcast(-1.15112329f));
  p = fma(p, u, V::broadcast(-9.99998868e-1f));
  const V n = round_to_integral(p);
  const V tail = exp2_split(n, p - n);
  return max(x, V::zero()) - u * tail;
}

// x/2·(1 + tanh(y)) = x / (1 + e^-2y).
template <class V>
inline V gelu_tanh(V x) {
  constexpr float kSqrt2OverPi = 0.797884561f;
  const V cubic = fma(x * x * x, V::broadcast(0.044715f), x);
  const V e = exp(cubic * V::broadcast(-2.0f * kSqrt2OverPi));
  return x / (V::broadcast(1.0f) + e);
}

// x·σ(factor·x)
template <class V>
inline V sigmoid_product(V x, float factor) {
  return x / (V::broadcast(1.0f) + exp(x * V::broadcast(-factor)));
}

}  // namespace
}  // namespace fusebert::cpu
