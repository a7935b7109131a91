// Sixteen bytes of text in a NEON register, which every AArch64 processor has.
#pragma once

#include <arm_neon.h>

#include <bit>

#include "tokenizer/simd/word_key.h"

namespace fusebert::simd {

// As PortableBlock.
class NeonBlock {
 public:
  explicit NeonBlock(const char* text)
      : bytes_(vld1q_u8(reinterpret_cast<const unsigned char*>(text))) {
    const uint8x16_t letter = vorrq_u8(bytes_, vdupq_n_u8(0x20));
    alphanumeric_ = vorrq_u8(in_range(letter, 'a', 26), in_range(bytes_, '0', 10));
  }

  uint32_t alphanumeric_run() const { return ones(alphanumeric_); }

  uint32_t letter_run(uint32_t from) const {
    const uint8x16_t letter = vorrq_u8(bytes_, vdupq_n_u8(0x20));
    return ones(in_range(letter, 'a', 26), from);
  }

  uint32_t word_run() const {
    return ones(vorrq_u8(alphanumeric_, vcgeq_u8(bytes_, vdupq_n_u8(0x80))));
  }

  WordKey key(uint32_t length, unsigned char fold) const {
    const uint8x16_t index = vld1q_u8(kIndex);
    const uint8x16_t keep = vcltq_u8(index, vdupq_n_u8(static_cast<unsigned char>(length)));
    const uint64x2_t kept =
        vreinterpretq_u64_u8(vandq_u8(vorrq_u8(bytes_, vdupq_n_u8(fold)), keep));
    return {vgetq_lane_u64(kept, 0), vgetq_lane_u64(kept, 1)};
  }

 private:
  static constexpr unsigned char kIndex[kBlockBytes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                        8, 9, 10, 11, 12, 13, 14, 15};

  static uint8x16_t in_range(uint8x16_t bytes, unsigned char first, unsigned char count) {
    return vcltq_u8(vsubq_u8(bytes, vdupq_n_u8(first)), vdupq_n_u8(count));
  }

  // Four bits of each byte are left of the mask.
  static uint32_t ones(uint8x16_t mask, uint32_t from = 0) {
    const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(mask), 4);
    const uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
    return static_cast<uint32_t>(std::countr_one(bits >> (4 * from))) / 4;
  }

  uint8x16_t bytes_;
  uint8x16_t alphanumeric_;
};

}  // namespace fusebert::simd
