// Four floats in a NEON register of 64-bit ARM, with the operations that kernels/vector/ is written
// in.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace fusebert::cpu {
namespace {

struct Vec {
  static constexpr int64_t kWidth = 4;
  // The register tile of a matrix product: 8 × 3 accumulators, 3 vectors of the panel and an
  // element of a row take 28 of the 32 registers, and 11 loads feed 24 multiply-adds.
  static constexpr int kTileRows = 8;
  static constexpr int kTileVectors = 3;

  float32x4_t v;

  static Vec zero() { return {vdupq_n_f32(0.0f)}; }
  static Vec broadcast(float x) { return {vdupq_n_f32(x)}; }
  static Vec load(const float* p) { return {vld1q_f32(p)}; }
  // The first `count` lanes, 0 < count ≤ kWidth, from p; the others are zero. Touches only those.
  static Vec load_partial(const float* p, int64_t count) {
    float lanes[kWidth] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  void store(float* p) const { vst1q_f32(p, v); }
  void store_partial(float* p, int64_t count) const {
    float lanes[kWidth];
    store(lanes);
    for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
  }
  // This vector with zeros from lane `count` on.
  Vec first(int64_t count) const {
    return {vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), mask(count)))};
  }

  static uint32x4_t mask(int64_t count) {
    constexpr uint32_t kLanes[kWidth] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(kLanes), vdupq_n_u32(static_cast<uint32_t>(count)));
  }
};

inline Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {vminq_f32(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {vmaxq_f32(a.v, b.v)}; }
inline Vec abs(Vec a) { return {vabsq_f32(a.v)}; }
inline Vec sqrt(Vec a) { return {vsqrtq_f32(a.v)}; }
inline Vec round_to_integral(Vec a) { return {vrndnq_f32(a.v)}; }
// a · 2^n for integral n, where a and the result are normal numbers: n goes to a's exponent.
inline Vec scale_by_power_of_two(Vec a, Vec n) {
  constexpr int kFractionBits = 23;
  const int32x4_t shift = vshlq_n_s32(vcvtq_s32_f32(n.v), kFractionBits);
  return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.v), shift))};
}
inline float sum(Vec a) { return vaddvq_f32(a.v); }
inline float maximum(Vec a) { return vmaxvq_f32(a.v); }

}  // namespace
}  // namespace fusebert::cpu
