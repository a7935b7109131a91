// Sixteen bytes of text in an SSE2 register, which every x86-64 processor has.
#pragma once

#include <emmintrin.h>

#include "tokenizer/simd/word_key.h"

namespace fusebert::simd {

// As PortableBlock.
class Sse2Block {
 public:
  explicit Sse2Block(const char* text)
      : bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(text))) {
    // Comparisons are signed, so each range is moved to the bottom of the signed bytes.
    const __m128i letter = _mm_or_si128(bytes_, _mm_set1_epi8(0x20));
    alphanumeric_ = _mm_or_si128(in_range(letter, 'a', 26), in_range(bytes_, '0', 10));
  }

  uint32_t alphanumeric_run() const { return ones(_mm_movemask_epi8(alphanumeric_)); }

  uint32_t letter_run(uint32_t from) const {
    const __m128i letter = _mm_or_si128(bytes_, _mm_set1_epi8(0x20));
    return ones(_mm_movemask_epi8(in_range(letter, 'a', 26)) >> from);
  }

  // The sign of a byte above 0x7F is set already.
  uint32_t word_run() const {
    return ones(_mm_movemask_epi8(_mm_or_si128(alphanumeric_, bytes_)));
  }

  WordKey key(uint32_t length, unsigned char fold) const {
    const auto* window = reinterpret_cast<const __m128i*>(kKeep + kBlockBytes - length);
    const __m128i folded = _mm_or_si128(bytes_, _mm_set1_epi8(static_cast<char>(fold)));
    const __m128i kept = _mm_and_si128(folded, _mm_loadu_si128(window));
    return {static_cast<uint64_t>(_mm_cvtsi128_si64(kept)),
            static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(kept, kept)))};
  }

 private:
  // A window of it has as many bytes of ones as are kept.
  alignas(32) static constexpr unsigned char kKeep[2 * kBlockBytes] = {
      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

  static __m128i in_range(__m128i bytes, char first, int count) {
    const __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8(static_cast<char>(-128 - first)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(-128 + count)));
  }

  // Above the sixteen bits of the mask are zeros, so its complement is not zero.
  static uint32_t ones(int mask) {
    return static_cast<uint32_t>(__builtin_ctz(~static_cast<uint32_t>(mask)));
  }

  __m128i bytes_;
  __m128i alphanumeric_;
};

}  // namespace fusebert::simd
