#include "isa/numbers.h"

#include <algorithm>

namespace virtual_gpu {
namespace {

constexpr int kDoubleMantissa = 52;
constexpr int kDoubleBias = 1023;

bool rounds_up(std::uint64_t kept, std::uint64_t rest, std::uint64_t half, bool negative,
               Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven: return rest > half || (rest == half && (kept & 1) != 0);
    case Rounding::kNearestAway: return rest >= half;
    case Rounding::kZero: return false;
    case Rounding::kDown: return rest != 0 && negative;
    case Rounding::kUp: return rest != 0 && !negative;
  }
  return false;
}

}  // namespace

std::uint32_t round_to(Format format, double value, Rounding rounding, bool saturate) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const bool negative = (bits >> 63) != 0;
  const int width = format.exponent_bits + format.mantissa_bits;
  const std::uint32_t sign = negative ? 1u << width : 0;
  const std::uint32_t all = (1u << width) - 1;
  const std::uint32_t infinity =
      format.has_infinity ? all & ~((1u << format.mantissa_bits) - 1) : all;
  const std::uint32_t largest = infinity - 1;
  if (std::isnan(value)) return all;
  if (std::isinf(value)) return sign | (saturate || !format.has_infinity ? largest : infinity);
  if (value == 0) return sign;

  const int exponent = static_cast<int>(bits >> kDoubleMantissa & 0x7FF) - kDoubleBias;
  std::uint64_t mantissa = bits & ((std::uint64_t{1} << kDoubleMantissa) - 1);
  // Doubles without a leading one are far below anything that the formats hold.
  if (exponent > -kDoubleBias) mantissa |= std::uint64_t{1} << kDoubleMantissa;
  const int least = 1 - format.bias();
  const int below = std::max(0, least - exponent);
  const int shift = std::min(kDoubleMantissa - format.mantissa_bits + below, 63);
  std::uint64_t kept = mantissa >> shift;
  const std::uint64_t rest = mantissa & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  if (rounds_up(kept, rest, half, negative, rounding)) ++kept;
  // A carry out of the mantissa raises the exponent by itself.
  const int biased = below > 0 ? 0 : exponent + format.bias() - 1;
  const std::int64_t result =
      (static_cast<std::int64_t>(biased) << format.mantissa_bits) + static_cast<std::int64_t>(kept);
  if (result >= static_cast<std::int64_t>(infinity)) {
    const bool away = rounding == Rounding::kNearestEven || rounding == Rounding::kNearestAway ||
                      (rounding == Rounding::kUp && !negative) ||
                      (rounding == Rounding::kDown && negative);
    if (saturate || !away) return sign | largest;
    return sign | infinity;
  }
  return sign | static_cast<std::uint32_t>(result);
}

double value_of(Format format, std::uint32_t bits) {
  const int width = format.exponent_bits + format.mantissa_bits;
  const std::uint32_t magnitude = bits & ((1u << width) - 1);
  const std::uint32_t mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  const int exponent = static_cast<int>(magnitude >> format.mantissa_bits);
  const int top = (1 << format.exponent_bits) - 1;
  const double sign = (bits >> width & 1) != 0 ? -1 : 1;
  if (format.has_infinity && exponent == top) {
    return mantissa == 0 ? sign * INFINITY : NAN;
  }
  if (!format.has_infinity && magnitude == (1u << width) - 1) return NAN;
  const int scale = std::max(exponent, 1) - format.bias() - format.mantissa_bits;
  const std::uint32_t whole = mantissa | (exponent > 0 ? 1u << format.mantissa_bits : 0);
  return sign * std::ldexp(whole, scale);
}

}  // namespace virtual_gpu
