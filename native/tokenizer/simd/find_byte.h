// The index of a byte among few, sixteen compared at once.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "tokenizer/simd/word_key.h"

namespace fusebert::simd {

// The reference of the other one, and what is used where there is none.
inline uint32_t find_byte_portable(const unsigned char* bytes, uint32_t count, unsigned char byte) {
  uint32_t index = 0;
  while (index < count && bytes[index] != byte) ++index;
  return index;
}

// The first index below `count` at which `byte` is; `count` or more when there is none. Reads up to
// kBlockBytes - 1 bytes behind the last.
inline uint32_t find_byte(const unsigned char* bytes, uint32_t count, unsigned char byte) {
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
  for (uint32_t index = 0; index < count; index += kBlockBytes) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + index));
    const auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
    if (equal != 0) return index + static_cast<uint32_t>(__builtin_ctz(equal));
  }
  return count;
#elif defined(__aarch64__) && defined(__ARM_NEON)
  const uint8x16_t wanted = vdupq_n_u8(byte);
  for (uint32_t index = 0; index < count; index += kBlockBytes) {
    const uint8x16_t equal = vceqq_u8(vld1q_u8(bytes + index), wanted);
    // Four bits of each byte are left.
    const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(equal), 4);
    const uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
    if (bits != 0) return index + static_cast<uint32_t>(__builtin_ctzll(bits)) / 4;
  }
  return count;
#else
  return find_byte_portable(bytes, count, byte);
#endif
}

}  // namespace fusebert::simd
