// Functions that PTX defines by an error bound: rcp, rsqrt, sin, cos, lg2, ex2, tanh (PTX ISA, the
// sections named so). Computed in double and rounded once, which every bound allows.
#include <cmath>
#include <cstdint>

#include "isa/float.h"
#include "isa/lanes.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;
using Function = double (*)(double);

double reciprocal(double x) { return 1.0 / x; }
double reciprocal_root(double x) { return 1.0 / std::sqrt(x); }
double sine(double x) { return std::sin(x); }
double cosine(double x) { return std::cos(x); }
double logarithm(double x) { return std::log2(x); }
double power(double x) { return std::exp2(x); }
double hyperbolic_tangent(double x) { return std::tanh(x); }

template <Function kFunction, typename Lane>
struct Approximate : SpreadAll {
  using T = typename Lane::Storage;
  static T value(T a) { return Lane::store(kFunction(Lane::load(a)), Rounding::kNearestEven); }
};
template <Function kFunction, typename Lane>
struct Flushed : SpreadAll {
  using T = typename Lane::Storage;
  static T value(T a) {
    const double result = kFunction(flushed(Lane::load(a), Lane::kLeast));
    const T rounded = Lane::store(result, Rounding::kNearestEven);
    return Lane::store(flushed(Lane::load(rounded), Lane::kLeast), Rounding::kZero);
  }
};
template <Function kFunction, typename Lane>
struct Pair : SpreadHalves {
  static std::uint32_t value(std::uint32_t a) {
    using F = Approximate<kFunction, Lane>;
    return F::value(static_cast<std::uint16_t>(a)) |
           std::uint32_t{F::value(static_cast<std::uint16_t>(a >> 16))} << 16;
  }
};
/// .approx.ftz.f64: a rough result, the lower 32 bits of which are zeros.
template <Function kFunction>
struct Rough : SpreadAll {
  static std::uint64_t value(std::uint64_t a) {
    constexpr std::uint64_t kUpper = 0xFFFFFFFF'00000000;
    const double x = std::bit_cast<double>(a & kUpper);
    const double flat = std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0, x) : x;
    return std::bit_cast<std::uint64_t>(kFunction(flat)) & kUpper;
  }
};

template <Function kFunction>
Execute by_type(Type type, bool flush) {
  using H = std::uint16_t;
  using W = std::uint32_t;
  using D = std::uint64_t;
  switch (type) {
    case Type::kF32:
      return flush ? &map_lanes<Flushed<kFunction, SingleLane>, W, W>
                   : &map_lanes<Approximate<kFunction, SingleLane>, W, W>;
    case Type::kF16: return &map_lanes<Approximate<kFunction, HalfLane>, H, H>;
    case Type::kBf16: return &map_lanes<Approximate<kFunction, BrainLane>, H, H>;
    case Type::kF16x2: return &map_lanes<Pair<kFunction, HalfLane>, W, W>;
    case Type::kBf16x2: return &map_lanes<Pair<kFunction, BrainLane>, W, W>;
    case Type::kF64: return &map_lanes<Rough<kFunction>, D, D>;
    default: return nullptr;
  }
}

template <Function kFunction>
void decode(Builder& b) {
  if (!b.accept("approx")) b.fail("Expected .approx");
  const bool flush = b.accept("ftz");
  const Type type = b.expect_type();
  b.op().execute = by_type<kFunction>(type, flush);
  if (b.op().execute == nullptr) b.fail("Expected another type of " + b.instruction().opcode);
  b.op().op_class = OpClass::kSpecial;
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  b.source(b.operand(1), type);
}

void decode_rcp(Builder& b) {
  const bool approximate = !b.instruction().modifiers.empty() &&
                           b.instruction().modifiers.front() == "approx";
  if (approximate) return decode<reciprocal>(b);
  floating::decode_rcp(b);
}

}  // namespace

std::span<const Entry> approximate_instructions() {
  static constexpr Entry kEntries[] = {
      {"rcp", decode_rcp},           {"rsqrt", decode<reciprocal_root>},
      {"sin", decode<sine>},         {"cos", decode<cosine>},
      {"lg2", decode<logarithm>},    {"ex2", decode<power>},
      {"tanh", decode<hyperbolic_tangent>},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
