// Floating-point formats and roundings that C++ has no types for.
//
// Arithmetic in a narrow format is done in double with rounding to odd, which loses nothing that a
// second rounding could miss as long as double has at least two bits more (Boldo and Melquiond,
// "Emulation of a FMA and correctly rounded sums", 2008).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace virtual_gpu {

enum class Rounding : std::uint8_t {
  kNearestEven,  // .rn
  kZero,         // .rz
  kDown,         // .rm
  kUp,           // .rp
  kNearestAway,  // .rna
};

/// A binary format without sign bit counts: sign, exponent, mantissa.
struct Format {
  int exponent_bits;
  int mantissa_bits;
  bool has_infinity = true;  // e4m3 has none: its largest exponent holds numbers

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};
constexpr Format kHalf{5, 10};
constexpr Format kBrain{8, 7};
constexpr Format kSingle{8, 23};
constexpr Format kTensor32{8, 10};  // tf32, in the upper bits of a float
constexpr Format kE5m2{5, 2};
constexpr Format kE4m3{4, 3, false};

/// The bits of `value` in the format. NaN becomes the canonical NaN (all mantissa bits set).
std::uint32_t round_to(Format format, double value, Rounding rounding, bool saturate = false);
/// The exact value of the bits.
double value_of(Format format, std::uint32_t bits);

/// a + b and a * b + c rounded to odd: exact inputs of at most 26 bits in `fma_odd`'s product.
inline double odd(double sum, double error) {
  const auto bits = std::bit_cast<std::uint64_t>(sum);
  if (error == 0 || (bits & 1) != 0 || !std::isfinite(sum)) return sum;
  // The exact sum lies between `sum` and its neighbour on the error's side: one of them is odd.
  const bool outwards = (error > 0) == (sum > 0);
  if (sum == 0) return error;
  return std::bit_cast<double>(outwards ? bits + 1 : bits - 1);
}
inline double add_odd(double a, double b) {
  const double sum = a + b;
  const double part = sum - a;
  return odd(sum, (a - (sum - part)) + (b - part));
}
inline double fma_odd(double a, double b, double c) { return add_odd(a * b, c); }
inline double div_odd(double a, double b) {
  const double quotient = a / b;
  if (!std::isfinite(quotient) || quotient == 0 || b == 0 || std::isinf(b)) return quotient;
  const double rest = -std::fma(quotient, b, -a);
  return odd(quotient, std::signbit(b) ? -rest : rest);
}
inline double sqrt_odd(double a) {
  const double root = std::sqrt(a);
  if (!std::isfinite(root) || root == 0) return root;
  return odd(root, -std::fma(root, root, -a));
}

/// IEEE binary16, as 16 bits.
struct Half {
  std::uint16_t bits = 0;
  static Half round(double value, Rounding rounding = Rounding::kNearestEven) {
    if (rounding == Rounding::kNearestEven && value == static_cast<float>(value)) {
      return {std::bit_cast<std::uint16_t>(static_cast<_Float16>(static_cast<float>(value)))};
    }
    return {static_cast<std::uint16_t>(round_to(kHalf, value, rounding))};
  }
  float value() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
  static constexpr std::uint16_t kNan = 0x7FFF;
};

/// bfloat16, as 16 bits.
struct Brain {
  std::uint16_t bits = 0;
  static Brain round(double value, Rounding rounding = Rounding::kNearestEven) {
    return {static_cast<std::uint16_t>(round_to(kBrain, value, rounding))};
  }
  float value() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
  static constexpr std::uint16_t kNan = 0x7FFF;
};

constexpr std::uint32_t kNanSingle = 0x7FFFFFFF;

}  // namespace virtual_gpu
