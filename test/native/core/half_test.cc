// Conversions from half formats over all 65,536 values.
#include "core/half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fusebert {
namespace {

// The value by the definition of IEEE 754 binary16, in double.
double f16_by_definition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, EveryF16IsExact) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = f16_to_f32(static_cast<uint16_t>(bits));
    if (((bits >> 10) & 31) == 31) {
      EXPECT_EQ(std::isnan(value), (bits & 1023) != 0);
      EXPECT_EQ(std::isinf(value), (bits & 1023) == 0);
      continue;
    }
    const double expected = f16_by_definition(static_cast<uint16_t>(bits));
    ASSERT_EQ(static_cast<double>(value), expected) << bits;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
  }
}

TEST(Half, EveryBf16IsTheUpperHalfOfAnF32) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = bf16_to_f32(static_cast<uint16_t>(bits));
    EXPECT_EQ(std::bit_cast<uint32_t>(value), bits << 16);
  }
}

}  // namespace
}  // namespace fusebert
