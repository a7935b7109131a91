// Floating-point instructions, conversions and comparisons: values that IEEE 754 and PTX's
// definitions give, written out.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "isa/numbers.h"
#include "tests/instruction_table.h"

namespace virtual_gpu::testing {
namespace {

using Types = std::vector<std::string>;

const Types k32x1{"b32", "b32"};
const Types k32x2{"b32", "b32", "b32"};
const Types k32x3{"b32", "b32", "b32", "b32"};
const Types k16x2{"b16", "b16", "b16"};
const Types k16x3{"b16", "b16", "b16", "b16"};
const Types k64x2{"b64", "b64", "b64"};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::uint64_t kNan32 = 0x7FFFFFFF;
const double kSineBound = std::exp2(-20.5);  // absolute, in [-2π, 2π]

TEST(Float, Single) {
  expect_rows({"add.f32 $d, $a, $b;", k32x2},
              {{{f32(1), f32(2)}, f32(3)}, {{f32(kInfinity), f32(-kInfinity)}, kNan32}});
  expect_rows({"mul.f32 $d, $a, $b;", k32x2}, {{{f32(0x1p-100f), f32(0x1p-40f)}, f32(0x1p-140f)}});
  expect_rows({"mul.ftz.f32 $d, $a, $b;", k32x2},
              {{{f32(0x1p-100f), f32(-0x1p-40f)}, f32(-0.0f)}, {{f32(0x1p-140f), f32(2)}, 0}});
  expect_rows({"add.sat.f32 $d, $a, $b;", k32x2},
              {{{f32(1), f32(2)}, f32(1)}, {{kNan32, f32(2)}, 0}, {{f32(-1), f32(0)}, 0}});
  // Without a second rounding: 1 + 2^-24 + 2^-60 lies above the midpoint.
  expect_rows({"fma.rn.f32 $d, $a, $b, $c;", k32x3},
              {{{f32(0x1p-30f), f32(0x1p-30f), f32(1)}, f32(1)},
               {{f32(1 + 0x1p-12f), f32(1 + 0x1p-12f), f32(-1)}, f32(0x1.0008p-11f)}});
  expect_rows({"fma.rp.f32 $d, $a, $b, $c;", k32x3},
              {{{f32(0x1p-30f), f32(0x1p-30f), f32(1)}, f32(std::nextafterf(1, 2))}});
  expect_rows({"add.rz.f32 $d, $a, $b;", k32x2},
              {{{f32(1), f32(-0x1p-40f)}, f32(std::nextafterf(1, 0))}});
  expect_rows({"add.rm.f32 $d, $a, $b;", k32x2},
              {{{f32(-1), f32(-0x1p-40f)}, f32(std::nextafterf(-1, -2))}});
  expect_rows({"div.rn.f32 $d, $a, $b;", k32x2}, {{{f32(1), f32(3)}, f32(1.0f / 3)}});
  expect_rows({"div.rp.f32 $d, $a, $b;", k32x2},
              {{{f32(1), f32(-3)}, f32(std::nextafterf(-1.0f / 3, 0))}});
  expect_rows({"rcp.rz.f32 $d, $a;", k32x1}, {{{f32(3)}, f32(std::nextafterf(1.0f / 3, 0))}});
  expect_rows({"sqrt.rn.f32 $d, $a;", k32x1},
              {{{f32(2)}, f32(std::sqrt(2.0f))}, {{f32(-1)}, kNan32}});
  expect_rows({"sqrt.rp.f32 $d, $a;", k32x1}, {{{f32(4)}, f32(2)}});
}

TEST(Float, MinimaAndSigns) {
  expect_rows({"min.f32 $d, $a, $b;", k32x2},
              {{{kNan32, f32(2)}, f32(2)}, {{f32(0.0f), f32(-0.0f)}, f32(-0.0f)}});
  expect_rows({"min.NaN.f32 $d, $a, $b;", k32x2}, {{{kNan32, f32(2)}, kNan32}});
  expect_rows({"max.f32 $d, $a, $b;", k32x2}, {{{f32(-0.0f), f32(0.0f)}, f32(0.0f)}});
  expect_rows({"max.xorsign.abs.f32 $d, $a, $b;", k32x2}, {{{f32(-3), f32(2)}, f32(-3)}});
  expect_rows({"abs.f32 $d, $a;", k32x1}, {{{f32(-3)}, f32(3)}});
  expect_rows({"neg.ftz.f32 $d, $a;", k32x1}, {{{f32(0x1p-140f)}, f32(-0.0f)}});
  expect_rows({"copysign.f32 $d, $a, $b;", k32x2}, {{{f32(-1), f32(3)}, f32(-3)}});
  expect_rows({"neg.f16x2 $d, $a;", k32x1}, {{{pair(f16(1), f16(-2))}, pair(f16(-1), f16(2))}});
}

TEST(Float, HalfAndBrain) {
  expect_rows({"add.f16 $d, $a, $b;", k16x2},
              {{{f16(1), f16(2)}, f16(3)}, {{f16(65504), f16(65504)}, 0x7C00}});
  // 2048 + 1 is halfway between 2048 and 2050.
  expect_rows({"add.rn.f16 $d, $a, $b;", k16x2}, {{{f16(2048), f16(1)}, f16(2048)}});
  expect_rows({"mul.f16 $d, $a, $b;", k16x2}, {{{f16(0x1p-14), f16(0x1p-10)}, 1}});
  expect_rows({"fma.rn.f16 $d, $a, $b, $c;", k16x3},
              {{{f16(1 + 0x1p-10), f16(1 + 0x1p-10), f16(0x1p-24)}, f16(1 + 0x1p-9)}});
  expect_rows({"fma.rn.relu.f16 $d, $a, $b, $c;", k16x3}, {{{f16(1), f16(-2), f16(1)}, 0}});
  expect_rows({"fma.rn.bf16 $d, $a, $b, $c;", k16x3}, {{{bf16(2), bf16(3), bf16(1)}, bf16(7)}});
  expect_rows({"add.f16x2 $d, $a, $b;", k32x2},
              {{{pair(f16(1), f16(5)), pair(f16(2), f16(-5))}, pair(f16(3), f16(0))}});
  expect_rows({"max.NaN.bf16x2 $d, $a, $b;", k32x2},
              {{{pair(bf16(1), 0x7FC0), pair(bf16(2), bf16(3))}, pair(bf16(2), 0x7FFF)}});
}

TEST(Float, Double) {
  expect_rows({"add.f64 $d, $a, $b;", k64x2}, {{{f64(0.1), f64(0.2)}, f64(0.1 + 0.2)}});
  expect_rows({"mul.rp.f64 $d, $a, $b;", k64x2},
              {{{f64(1 + 0x1p-52), f64(1 + 0x1p-52)}, f64(1 + 0x1.8p-51)}});
  expect_rows({"div.rz.f64 $d, $a, $b;", k64x2}, {{{f64(1), f64(3)}, f64(0x1.5555555555555p-2)}});
}

/// The error of a function that PTX bounds, in units of its last place or absolutely.
double error_of(const std::string& instruction, float x, double exact) {
  const std::vector<std::uint64_t> found =
      run_rows({instruction, k32x1}, std::vector<std::vector<std::uint64_t>>{{f32(x)}});
  return std::fabs(std::bit_cast<float>(static_cast<std::uint32_t>(found[0])) - exact);
}

TEST(Float, ApproximateFunctionsKeepTheirBounds) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> number(0.01f, 3.0f);
  for (int i = 0; i < 40; ++i) {
    const float x = number(random);
    const double ulp = 0x1p-23 * std::fabs(1.0 / x);
    EXPECT_LE(error_of("rcp.approx.f32 $d, $a;", x, 1.0 / x), ulp);
    EXPECT_LE(error_of("rsqrt.approx.f32 $d, $a;", x, 1 / std::sqrt(x)),
              0x1p-22 / std::sqrt(x));
    EXPECT_LE(error_of("sin.approx.f32 $d, $a;", x, std::sin(x)), kSineBound);
    EXPECT_LE(error_of("cos.approx.f32 $d, $a;", x, std::cos(x)), kSineBound);
    EXPECT_LE(error_of("lg2.approx.f32 $d, $a;", x, std::log2(x)),
              std::max(0x1p-22, 0x1p-22 * std::fabs(std::log2(x))));
    EXPECT_LE(error_of("ex2.approx.f32 $d, $a;", x, std::exp2(x)), 0x1p-22 * std::exp2(x));
    EXPECT_LE(error_of("tanh.approx.f32 $d, $a;", x, std::tanh(x)), 0x1p-11);
  }
  expect_rows({"ex2.approx.ftz.f32 $d, $a;", k32x1}, {{{f32(-130)}, 0}, {{f32(3)}, f32(8)}});
  expect_rows({"rcp.approx.ftz.f64 $d, $a;", {"b64", "b64"}}, {{{f64(4)}, f64(0.25)}});
}

TEST(Convert, Integers) {
  expect_rows({"cvt.s32.s8 $d, $a;", k32x1}, {{{0x80}, 0xFFFFFF80}, {{0x17F}, 0x7F}});
  expect_rows({"cvt.u32.u8 $d, $a;", k32x1}, {{{0x1FF}, 0xFF}});
  expect_rows({"cvt.sat.s8.s32 $d, $a;", k32x1}, {{{300}, 127}, {{0xFFFFFE00}, 0xFFFFFF80}});
  expect_rows({"cvt.sat.u8.s32 $d, $a;", k32x1}, {{{0xFFFFFFFF}, 0}, {{256}, 255}});
  expect_rows({"cvt.s64.s32 $d, $a;", {"b64", "b32"}}, {{{0xFFFFFFFF}, ~0ull}});
  expect_rows({"cvt.u64.u32 $d, $a;", {"b64", "b32"}}, {{{0xFFFFFFFF}, 0xFFFFFFFF}});
  expect_rows({"cvt.u16.u32 $d, $a;", {"b16", "b32"}}, {{{0x12345}, 0x2345}});
}

TEST(Convert, ToAndFromIntegers) {
  expect_rows({"cvt.rni.s32.f32 $d, $a;", k32x1},
              {{{f32(2.5f)}, 2}, {{f32(3.5f)}, 4}, {{kNan32}, 0}, {{f32(3e9f)}, 0x7FFFFFFF}});
  expect_rows({"cvt.rzi.u32.f32 $d, $a;", k32x1}, {{{f32(-2.5f)}, 0}, {{f32(7.9f)}, 7}});
  expect_rows({"cvt.rmi.s32.f32 $d, $a;", k32x1}, {{{f32(-2.5f)}, 0xFFFFFFFD}});
  expect_rows({"cvt.rpi.s32.f32 $d, $a;", k32x1}, {{{f32(2.1f)}, 3}});
  expect_rows({"cvt.rn.f32.s32 $d, $a;", k32x1},
              {{{0xFFFFFFFF}, f32(-1)}, {{16777217}, f32(16777216)}});
  expect_rows({"cvt.rp.f32.u32 $d, $a;", k32x1}, {{{16777217}, f32(16777218)}});
  expect_rows({"cvt.rn.f32.u64 $d, $a;", {"b32", "b64"}}, {{{~0ull}, f32(0x1p64f)}});
  expect_rows({"cvt.rn.f64.s64 $d, $a;", {"b64", "b64"}},
              {{{static_cast<std::uint64_t>(-5)}, f64(-5)}});
  expect_rows({"cvt.rz.f64.u64 $d, $a;", {"b64", "b64"}}, {{{~0ull}, f64(0x1.fffffffffffffp63)}});
  expect_rows({"cvt.rni.f32.f32 $d, $a;", k32x1}, {{{f32(-2.5f)}, f32(-2)}});
}

TEST(Convert, Formats) {
  const Types to_16{"b16", "b32"};
  expect_rows({"cvt.rn.f16.f32 $d, $a;", to_16},
              {{{f32(65520)}, 0x7C00}, {{f32(65519.996f)}, 0x7BFF}, {{f32(0x1p-25f)}, 0},
               {{f32(0x1.8p-25f)}, 1}, {{kNan32}, 0x7FFF}});
  expect_rows({"cvt.rz.f16.f32 $d, $a;", to_16}, {{{f32(1e9f)}, 0x7BFF}});
  expect_rows({"cvt.rn.satfinite.f16.f32 $d, $a;", to_16}, {{{f32(1e9f)}, 0x7BFF}});
  expect_rows({"cvt.f32.f16 $d, $a;", {"b32", "b16"}},
              {{{1}, f32(0x1p-24f)}, {{0xFC00}, f32(-kInfinity)}});
  expect_rows({"cvt.rn.bf16.f32 $d, $a;", to_16}, {{{0x3F808000}, 0x3F80}, {{0x3F818000}, 0x3F82}});
  expect_rows({"cvt.rn.f16x2.f32 $d, $a, $b;", k32x2}, {{{f32(1), f32(2)}, pair(f16(2), f16(1))}});
  expect_rows({"cvt.rn.relu.bf16x2.f32 $d, $a, $b;", k32x2},
              {{{f32(-1), f32(2)}, pair(bf16(2), 0)}});
  expect_rows({"cvt.rna.tf32.f32 $d, $a;", k32x1},
              {{{0x3F801000}, 0x3F802000}, {{0x3F800FFF}, 0x3F800000}});
  expect_rows({"cvt.rn.f32.f64 $d, $a;", {"b32", "b64"}},
              {{{f64(1 + 0x1p-24 + 0x1p-50)}, f32(1 + 0x1p-23f)}});
  expect_rows({"cvt.sat.f32.f32 $d, $a;", k32x1}, {{{f32(7)}, f32(1)}, {{kNan32}, 0}});
  expect_rows({"cvt.rn.satfinite.e4m3x2.f32 $d, $a, $b;", {"b16", "b32", "b32"}, "sm_89"},
              {{{f32(1), f32(1000)}, 0x387E}});
}

TEST(Compare, PredicatesAndSelection) {
  const Types numbers{"pred", "b32", "b32"};
  expect_rows({"setp.lt.s32 $d, $a, $b;", numbers}, {{{0xFFFFFFFF, 0}, 1}, {{1, 1}, 0}});
  expect_rows({"setp.lt.u32 $d, $a, $b;", numbers}, {{{0xFFFFFFFF, 0}, 0}});
  expect_rows({"setp.ltu.f32 $d, $a, $b;", numbers}, {{{kNan32, 0}, 1}, {{f32(2), f32(1)}, 0}});
  expect_rows({"setp.ne.f32 $d, $a, $b;", numbers}, {{{kNan32, 0}, 0}});
  expect_rows({"setp.neu.f32 $d, $a, $b;", numbers}, {{{kNan32, 0}, 1}});
  expect_rows({"setp.nan.f32 $d, $a, $b;", numbers}, {{{kNan32, 0}, 1}, {{0, 0}, 0}});
  expect_rows({"setp.eq.ftz.f32 $d, $a, $b;", numbers}, {{{1, f32(-0.0f)}, 1}});
  expect_rows({"setp.gt.f16 $d, $a, $b;", {"pred", "b16", "b16"}}, {{{f16(2), f16(-3)}, 1}});
  expect_rows({"setp.ge.and.s32 $d, $a, $b, !$c;", {"pred", "b32", "b32", "pred"}},
              {{{3, 2, 0}, 1}, {{3, 2, 1}, 0}});
  expect_rows({".reg .pred %q;\nsetp.eq.s32 %q|$d, $a, $b;", numbers}, {{{3, 2}, 1}, {{3, 3}, 0}});
  expect_rows({"set.gt.u32.f32 $d, $a, $b;", k32x2}, {{{f32(2), f32(1)}, 0xFFFFFFFF}});
  expect_rows({"set.gt.f32.s32 $d, $a, $b;", k32x2}, {{{2, 1}, f32(1)}});
  expect_rows({"selp.b32 $d, $a, $b, $c;", {"b32", "b32", "b32", "pred"}},
              {{{5, 6, 1}, 5}, {{5, 6, 0}, 6}});
  expect_rows({"slct.b32.s32 $d, $a, $b, $c;", k32x3}, {{{5, 6, 0}, 5}, {{5, 6, 0x80000000}, 6}});
  expect_rows({"testp.subnormal.f32 $d, $a;", {"pred", "b32"}}, {{{1}, 1}, {{f32(1)}, 0}});
}

TEST(Compare, UndefinedBits) {
  std::vector<std::uint64_t> spread;
  const std::vector<std::vector<std::uint64_t>> undefined{{0, 1, 0}, {0, 1, 0}};
  run_rows({"selp.b32 $d, $a, $b, $c;", {"b32", "b32", "b32", "pred"}}, {{5, 6, 1}, {5, 6, 0}},
           &undefined, &spread);
  EXPECT_EQ(spread.at(0), 0u) << "the other value was chosen";
  EXPECT_EQ(spread.at(1), 1u);
}

TEST(Float, UndefinedHalvesStayApart) {
  std::vector<std::uint64_t> spread;
  const std::vector<std::vector<std::uint64_t>> undefined{{0xFFFF0000, 0}};
  run_rows({"add.f16x2 $d, $a, $b;", k32x2}, {{0, 0}}, &undefined, &spread);
  EXPECT_EQ(spread.at(0), 0xFFFF0000u);
  spread.clear();
  const std::vector<std::vector<std::uint64_t>> upper{{0xFF00}};
  run_rows({"cvt.rn.f32.u8 $d, $a;", {"b32", "b16"}}, {{7}}, &upper, &spread);
  EXPECT_EQ(spread.at(0), 0u) << "only the lower byte is converted";
}

TEST(Numbers, NarrowFormatsRoundTrip) {
  for (const Format format : {kHalf, kBrain, kE4m3, kE5m2, kTensor32}) {
    const std::uint32_t count = 1u << (1 + format.exponent_bits + format.mantissa_bits);
    for (std::uint32_t bits = 0; bits < count; bits += 1 + count / 5000) {
      const double value = value_of(format, bits);
      if (std::isnan(value)) continue;
      EXPECT_EQ(round_to(format, value, Rounding::kNearestEven), bits);
    }
  }
}

TEST(Numbers, HalfAgreesWithTheHost) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(x)) continue;
    const auto host = std::bit_cast<std::uint16_t>(static_cast<_Float16>(x));
    EXPECT_EQ(round_to(kHalf, x, Rounding::kNearestEven), host) << x;
  }
}

TEST(Numbers, OddRoundingIsWithoutDoubleRounding) {
  // In single precision the host's fma is the truth; here it is made from doubles.
  std::mt19937_64 random(5);
  std::uniform_real_distribution<float> number(-2, 2);
  for (int i = 0; i < 20'000; ++i) {
    const float a = number(random);
    const float b = number(random) * 0x1p-20f;
    const float c = number(random);
    EXPECT_EQ(static_cast<float>(fma_odd(a, b, c)), std::fmaf(a, b, c));
    EXPECT_EQ(static_cast<float>(div_odd(a, c)), a / c);
    EXPECT_EQ(static_cast<float>(sqrt_odd(std::fabs(a))), std::sqrt(std::fabs(a)));
  }
}

}  // namespace
}  // namespace virtual_gpu::testing
