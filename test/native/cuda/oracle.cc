// Rounding to 16-bit types, and the rule.
#include "cuda/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/half.h"

namespace fusebert::cuda::testing {
namespace {

constexpr double kAllowed = 2.0;  // times the naive error
// Where the naive way is exact, rounding to 16 bits of something exact is as well.
constexpr double kNothing = 1e-12;

struct Format {
  int fraction_bits, least_exponent, bias;
  double largest;
};
constexpr Format kBinary16{10, -14, 15, 65504.0};
constexpr Format kBfloat16{7, -126, 127, 3.3895313892515355e38};

// To nearest, ties to even (IEEE 754-2019, 4.3.1), subnormals included.
std::uint16_t round_to(const Format& format, double x) {
  const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double magnitude = std::fabs(x);
  const int infinite = 2 * format.bias + 1;
  const auto assemble = [&](int exponent, int fraction) {
    return static_cast<std::uint16_t>(sign | exponent << format.fraction_bits | fraction);
  };
  if (std::isnan(x)) return assemble(infinite, 1);
  if (magnitude == 0.0) return sign;
  const int exponent = std::max(std::ilogb(magnitude), format.least_exponent);
  const double units = std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent));
  if (std::ldexp(units, exponent - format.fraction_bits) > format.largest) {
    return assemble(infinite, 0);
  }
  // A carry of the units goes on into the exponent as it should.
  const int one = 1 << format.fraction_bits;
  const int count = static_cast<int>(units);
  if (count < one) return assemble(0, count);
  const int biased = exponent + format.bias;
  return static_cast<std::uint16_t>(sign | ((biased << format.fraction_bits) + (count - one)));
}

}  // namespace

const Element kFp16{"fp16", [](double x) { return round_to(kBinary16, x); },
                    [](std::uint16_t bits) { return static_cast<double>(f16_to_f32(bits)); }};
const Element kBf16{"bf16", [](double x) { return round_to(kBfloat16, x); },
                    [](std::uint16_t bits) { return static_cast<double>(bf16_to_f32(bits)); }};

Halves round_all(const Element& element, const Numbers& numbers) {
  Halves halves(numbers.size());
  std::transform(numbers.begin(), numbers.end(), halves.begin(), element.round);
  return halves;
}

Numbers values_of(const Element& element, const Halves& halves) {
  Numbers numbers(halves.size());
  std::transform(halves.begin(), halves.end(), numbers.begin(), element.value);
  return numbers;
}

Numbers rounded(const Element& element, const Numbers& numbers) {
  return values_of(element, round_all(element, numbers));
}

Numbers random_numbers(std::mt19937_64& random, std::size_t count, double deviation) {
  std::normal_distribution<double> normal(0.0, deviation);
  Numbers numbers(count);
  for (double& number : numbers) number = normal(random);
  return numbers;
}

Errors errors_of(const Numbers& found, const Numbers& exact) {
  Errors errors;
  double squares = 0.0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = std::fabs(found[i] - exact[i]);
    // A NaN is worse than any number.
    errors.most = std::isnan(error) ? std::numeric_limits<double>::infinity()
                                    : std::max(errors.most, error);
    squares += error * error;
  }
  errors.rms = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, exact.size())));
  return errors;
}

::testing::AssertionResult is_accurate(const Numbers& found, const Numbers& exact,
                                       const Numbers& naive) {
  if (found.size() != exact.size() || naive.size() != exact.size()) {
    return ::testing::AssertionFailure() << found.size() << " numbers instead of " << exact.size();
  }
  const Errors ours = errors_of(found, exact), theirs = errors_of(naive, exact);
  if (ours.most <= kAllowed * theirs.most + kNothing &&
      ours.rms <= kAllowed * theirs.rms + kNothing) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "errors " << ours.most << " (rms " << ours.rms << "), naive " << theirs.most
         << " (rms " << theirs.rms << ")";
}

}  // namespace fusebert::cuda::testing
