// The rule that every kernel is held to: its error against the operation in fp64 on unrounded
// numbers is at most twice that of the naive way, in which inputs, weights and the result are
// rounded to 16 bits and everything between is fp64.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace fusebert::cuda::testing {

using Numbers = std::vector<double>;
using Halves = std::vector<std::uint16_t>;

// A 16-bit type as numbers on the host.
struct Element {
  const char* name;  // of its images
  std::uint16_t (*round)(double);
  double (*value)(std::uint16_t);
};
extern const Element kFp16;
extern const Element kBf16;

Halves round_all(const Element& element, const Numbers& numbers);
Numbers values_of(const Element& element, const Halves& halves);
// Rounded and back.
Numbers rounded(const Element& element, const Numbers& numbers);

Numbers random_numbers(std::mt19937_64& random, std::size_t count, double deviation = 1.0);

struct Errors {
  double most = 0.0;
  double rms = 0.0;
};
Errors errors_of(const Numbers& found, const Numbers& exact);

// Whether `found` keeps the rule; if not, with the errors.
::testing::AssertionResult is_accurate(const Numbers& found, const Numbers& exact,
                                       const Numbers& naive);
#define EXPECT_ACCURATE(found, exact, naive) \
  EXPECT_TRUE(::fusebert::cuda::testing::is_accurate(found, exact, naive))

}  // namespace fusebert::cuda::testing
