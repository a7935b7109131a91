// Which of sixteen bytes are the same as one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "tokenizer/simd/word_key.h"

namespace fusebert::simd {

// Which of kBlockBytes bytes are meant, by their places.
class ByteSet {
 public:
  // Of each place; the highest says whether it is in the set.
#if defined(__aarch64__) && defined(__ARM_NEON)
  static constexpr int kBits = 4;
#else
  static constexpr int kBits = 1;
#endif

  explicit ByteSet(uint64_t bits) : bits_(bits) {}

  bool empty() const { return bits_ == 0; }
  // Of a set that is not empty.
  uint32_t first() const { return static_cast<uint32_t>(std::countr_zero(bits_)) / kBits; }
  void remove_first() { bits_ &= bits_ - 1; }
  // Those before the first of the other set, or all where it is empty.
  ByteSet before(const ByteSet& other) const {
    return ByteSet(bits_ & (other.bits_ - 1) & ~other.bits_);
  }

 private:
  uint64_t bits_;
};

// The reference of the other one, and what is used where there is none.
inline ByteSet equal_bytes_portable(const unsigned char* bytes, unsigned char byte) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const auto equal = static_cast<uint64_t>(bytes[i] == byte);
    bits |= equal << (i * ByteSet::kBits + ByteSet::kBits - 1);
  }
  return ByteSet(bits);
}

// Of kBlockBytes.
inline ByteSet equal_bytes(const unsigned char* bytes, unsigned char byte) {
#if defined(__SSE2__)
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m128i equal = _mm_cmpeq_epi8(block, _mm_set1_epi8(static_cast<char>(byte)));
  return ByteSet(static_cast<uint32_t>(_mm_movemask_epi8(equal)));
#elif defined(__aarch64__) && defined(__ARM_NEON)
  const uint8x16_t equal = vceqq_u8(vld1q_u8(bytes), vdupq_n_u8(byte));
  // Four bits of each byte are left.
  const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(equal), 4);
  return ByteSet(vget_lane_u64(vreinterpret_u64_u8(nibbles), 0) & 0x8888888888888888ULL);
#else
  return equal_bytes_portable(bytes, byte);
#endif
}

}  // namespace fusebert::simd
