// Eight floats in an AVX2 register, with the operations that kernels/vector/ is written in.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace fusebert::cpu {
namespace {

struct Vec {
  static constexpr int64_t kWidth = 8;
  // The register tile of a matrix product: 6 × 2 accumulators, 2 vectors of the panel and a
  // broadcast take 15 of the 16 registers, and 8 loads feed 12 multiply-adds.
  static constexpr int kTileRows = 6;
  static constexpr int kTileVectors = 2;

  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec broadcast(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The first `count` lanes, 0 < count ≤ kWidth, from p; the others are zero. Touches only those.
  static Vec load_partial(const float* p, int64_t count) {
    return {_mm256_maskload_ps(p, mask(count))};
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_partial(float* p, int64_t count) const { _mm256_maskstore_ps(p, mask(count), v); }
  // This vector with zeros from lane `count` on.
  Vec first(int64_t count) const { return {_mm256_and_ps(v, _mm256_castsi256_ps(mask(count)))}; }

  static __m256i mask(int64_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
  }
};

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec round_to_integral(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a · 2^n for integral n, where a and the result are normal numbers: n goes to a's exponent.
inline Vec scale_by_power_of_two(Vec a, Vec n) {
  constexpr int kFractionBits = 23;
  const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n.v), kFractionBits);
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), shift))};
}
inline float sum(Vec a) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float maximum(Vec a) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace fusebert::cpu
