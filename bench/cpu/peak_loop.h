// The most that a core's multiply-add units do: independent chains that never leave the registers,
// 2 FLOP a lane and step, no loads and no stores. For a Vec of native/cpu/kernels/<isa>/vec.h.
#pragma once

#include <cstdint>

namespace fusebert::cpu {
namespace {

// chain = chain · factor + addend, `steps` times in each of kChains registers; 0 < factor < 1, so
// that numbers stay where they are as fast as any. Returns their sum, so that nothing is left out.
template <class V, int kChains>
float run_chains(int64_t steps, float factor, float addend) {
  const V f = V::broadcast(factor);
  const V a = V::broadcast(addend);
  V chains[kChains];
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) chains[i] = V::broadcast(static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) chains[i] = fma(chains[i], f, a);
  }
  V total = V::zero();
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) total = total + chains[i];
  return sum(total);
}

}  // namespace
}  // namespace fusebert::cpu
