// Floating-point arithmetic (PTX ISA, "Floating Point Instructions", "Half Precision Floating Point
// Instructions"): sums, products, quotients, roots, minima, signs.
//
// Single precision to nearest is computed by the host's own instructions; every other format and
// rounding in double, rounded to odd and then once more.
#include "isa/float.h"

#include <algorithm>
#include <cfenv>
#include <utility>

#include "isa/lanes.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

enum class Kind : std::uint8_t { kAdd, kSub, kMul, kFma, kDiv, kRcp, kSqrt, kMin, kMax };

constexpr std::size_t sources_of(Kind kind) {
  return kind == Kind::kFma ? 3 : kind == Kind::kRcp || kind == Kind::kSqrt ? 1 : 2;
}

double minimum(double a, double b) {
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

double extremum(Kind kind, FloatVariant variant, double a, double b) {
  const bool negative = std::signbit(a) != std::signbit(b);
  if (variant.sign_xor) {
    a = std::fabs(a);
    b = std::fabs(b);
  }
  double result;
  if (std::isnan(a) || std::isnan(b)) {
    if (variant.nan || (std::isnan(a) && std::isnan(b))) return NAN;
    result = std::isnan(a) ? b : a;
  } else {
    result = kind == Kind::kMin ? minimum(a, b) : -minimum(-a, -b);
  }
  return variant.sign_xor ? std::copysign(result, negative ? -1.0 : 1.0) : result;
}

/// The exact result, rounded to odd where double cannot hold it.
double compute(Kind kind, FloatVariant variant, double a, double b, double c) {
  switch (kind) {
    case Kind::kAdd: return add_odd(a, b);
    case Kind::kSub: return add_odd(a, -b);
    case Kind::kMul: return a * b;
    case Kind::kFma: return fma_odd(a, b, c);
    case Kind::kDiv: return div_odd(a, b);
    case Kind::kRcp: return div_odd(1.0, a);
    case Kind::kSqrt: return sqrt_odd(a);
    case Kind::kMin:
    case Kind::kMax: return extremum(kind, variant, a, b);
  }
  return NAN;
}

double clamped(FloatVariant variant, double value) {
  if (variant.saturate) return std::isnan(value) ? 0.0 : std::clamp(value, 0.0, 1.0);
  if (variant.relu && value < 0) return 0.0;
  return value;
}

template <Kind kKind, typename Lane>
typename Lane::Storage narrow(FloatVariant variant, typename Lane::Storage a,
                              typename Lane::Storage b, typename Lane::Storage c) {
  const auto load = [&](typename Lane::Storage bits) {
    const double value = Lane::load(bits);
    return variant.flush ? flushed(value, Lane::kLeast) : value;
  };
  const double exact = compute(kKind, variant, load(a), load(b), load(c));
  const auto rounded = Lane::store(clamped(variant, exact), variant.rounding);
  if (!variant.flush) return rounded;
  return Lane::store(flushed(Lane::load(rounded), Lane::kLeast), Rounding::kZero);
}

/// Spreads undefined bits as map_lanes does, then calls `compute_lane(lane)` for each.
template <typename T, std::size_t kSources, typename Fn>
Flow run_lanes(Warp& warp, const Op& op, LaneMask mask, Fn compute_lane) {
  alignas(64) T result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) result[lane] = compute_lane(lane);
  LaneMask undefined = 0;
  std::uint32_t origin = 0;
  for (std::size_t i = 1; i <= kSources; ++i) {
    const LaneMask found = warp.undefined_lanes(op.operands[i], mask);
    if (found != 0) origin = warp.origin_of(op.operands[i]);
    undefined |= found;
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

template <Kind kKind, typename Lane>
Flow run_narrow(Warp& warp, const Op& op, LaneMask mask) {
  using T = typename Lane::Storage;
  constexpr std::size_t kSources = sources_of(kKind);
  const FloatVariant variant = FloatVariant::unpack(op.variant);
  const T* a = warp.lanes_of<T>(op.operands[1]);
  const T* b = kSources > 1 ? warp.lanes_of<T>(op.operands[2]) : a;
  const T* c = kSources > 2 ? warp.lanes_of<T>(op.operands[3]) : a;
  return run_lanes<T, kSources>(warp, op, mask, [&](std::uint32_t lane) {
    return narrow<kKind, Lane>(variant, a[lane], b[lane], c[lane]);
  });
}

/// Two numbers in one register.
template <Kind kKind, typename Lane>
Flow run_pair(Warp& warp, const Op& op, LaneMask mask) {
  using T = std::uint32_t;
  constexpr std::size_t kSources = sources_of(kKind);
  const FloatVariant variant = FloatVariant::unpack(op.variant);
  const T* a = warp.lanes_of<T>(op.operands[1]);
  const T* b = kSources > 1 ? warp.lanes_of<T>(op.operands[2]) : a;
  const T* c = kSources > 2 ? warp.lanes_of<T>(op.operands[3]) : a;
  T result[kLanes];
  T undefined[kLanes] = {};
  std::uint32_t origin = 0;
  for (std::size_t i = 1; i <= kSources; ++i) {
    const T* bits = undefined_or_null<T>(warp, op.operands[i]);
    if (bits == nullptr) continue;
    origin = warp.origin_of(op.operands[i]);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) undefined[lane] |= bits[lane];
  }
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const auto half = [&](int shift) {
      return narrow<kKind, Lane>(variant, static_cast<std::uint16_t>(a[lane] >> shift),
                                 static_cast<std::uint16_t>(b[lane] >> shift),
                                 static_cast<std::uint16_t>(c[lane] >> shift));
    };
    result[lane] = half(0) | T{half(16)} << 16;
    undefined[lane] = SpreadHalves::undefined<T>(undefined[lane]);
  }
  write_lanes(warp, op.operands[0], mask, result);
  if (origin == 0) warp.mark_defined(op.operands[0], mask);
  else write_undefined(warp, op.operands[0], mask, undefined, origin);
  return Flow::kNext;
}

template <Kind kKind>
float single(float a, float b, float c) {
  float result;
  if constexpr (kKind == Kind::kAdd) result = a + b;
  else if constexpr (kKind == Kind::kSub) result = a - b;
  else if constexpr (kKind == Kind::kMul) result = a * b;
  else result = std::fma(a, b, c);
  return result != result ? std::bit_cast<float>(kNanSingle) : result;
}
template <Kind kKind>
struct Single : SpreadAll {
  static float value(float a, float b) { return single<kKind>(a, b, 0); }
};
struct SingleFma : SpreadAll {
  static float value(float a, float b, float c) { return single<Kind::kFma>(a, b, c); }
};

/// Double in any rounding, by the host's own.
template <Kind kKind>
[[gnu::noinline]] double wide(double a, double b, double c, FloatVariant variant) {
  volatile double x = a;
  volatile double y = b;
  volatile double z = c;
  if constexpr (kKind == Kind::kAdd) return x + y;
  if constexpr (kKind == Kind::kSub) return x - y;
  if constexpr (kKind == Kind::kMul) return x * y;
  if constexpr (kKind == Kind::kFma) return std::fma(x, y, z);
  if constexpr (kKind == Kind::kDiv) return x / y;
  if constexpr (kKind == Kind::kRcp) return 1.0 / x;
  if constexpr (kKind == Kind::kSqrt) return std::sqrt(x);
  return extremum(kKind, variant, a, b);
}

int host_rounding(Rounding rounding) {
  switch (rounding) {
    case Rounding::kZero: return FE_TOWARDZERO;
    case Rounding::kDown: return FE_DOWNWARD;
    case Rounding::kUp: return FE_UPWARD;
    default: return FE_TONEAREST;
  }
}

template <Kind kKind>
Flow run_double(Warp& warp, const Op& op, LaneMask mask) {
  constexpr std::size_t kSources = sources_of(kKind);
  const FloatVariant variant = FloatVariant::unpack(op.variant);
  const double* a = warp.lanes_of<double>(op.operands[1]);
  const double* b = kSources > 1 ? warp.lanes_of<double>(op.operands[2]) : a;
  const double* c = kSources > 2 ? warp.lanes_of<double>(op.operands[3]) : a;
  const int before = std::fegetround();
  std::fesetround(host_rounding(variant.rounding));
  const Flow flow = run_lanes<double, kSources>(warp, op, mask, [&](std::uint32_t lane) {
    return wide<kKind>(a[lane], b[lane], c[lane], variant);
  });
  std::fesetround(before);
  return flow;
}

template <Kind kKind>
Execute by_type(Type type, FloatVariant variant) {
  switch (type) {
    case Type::kF32:
      if constexpr (kKind == Kind::kAdd || kKind == Kind::kSub || kKind == Kind::kMul) {
        if (variant.plain()) return &map_lanes<Single<kKind>, float, float, float>;
      }
      if constexpr (kKind == Kind::kFma) {
        if (variant.plain()) return &map_lanes<SingleFma, float, float, float, float>;
      }
      return &run_narrow<kKind, SingleLane>;
    case Type::kF64: return &run_double<kKind>;
    case Type::kF16: return &run_narrow<kKind, HalfLane>;
    case Type::kBf16: return &run_narrow<kKind, BrainLane>;
    case Type::kF16x2: return &run_pair<kKind, HalfLane>;
    case Type::kBf16x2: return &run_pair<kKind, BrainLane>;
    default: return nullptr;
  }
}

void finish(Builder& b, Type type, Execute execute, std::size_t sources, FloatVariant variant) {
  if (execute == nullptr) b.fail("Expected another type of " + b.instruction().opcode);
  b.op().execute = execute;
  b.op().variant = variant.pack();
  b.op().op_class = type == Type::kF64   ? OpClass::kDouble
                    : type == Type::kF32 ? OpClass::kFloat
                                         : OpClass::kHalf;
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  for (std::size_t i = 1; i <= sources; ++i) b.source(b.operand(i), type);
}

template <Kind kKind>
void decode_exact(Builder& b) {
  FloatVariant variant;
  accept_rounding(b, variant);
  variant.flush = b.accept("ftz");
  variant.saturate = b.accept("sat");
  variant.relu = b.accept("relu");
  const Type type = b.expect_type();
  finish(b, type, by_type<kKind>(type, variant), sources_of(kKind), variant);
}

template <Kind kKind>
void decode_extremum(Builder& b) {
  FloatVariant variant;
  variant.flush = b.accept("ftz");
  variant.nan = b.accept("NaN");
  if (b.accept("xorsign")) {
    if (!b.accept("abs")) b.fail("Expected .xorsign.abs");
    variant.sign_xor = true;
  }
  const Type type = b.expect_type();
  if (b.operand_count() > 3) b.fail("A third input of min and max is not supported");
  finish(b, type, by_type<kKind>(type, variant), 2, variant);
}

template <Kind kKind>
void decode_divide_or_root(Builder& b) {
  // .approx and .full promise less than the rounded result, which is given here.
  b.accept_one({"approx", "full"});
  decode_exact<kKind>(b);
}

template <typename T>
constexpr T kSignBits = static_cast<T>(T{1} << (8 * sizeof(T) - 1));
template <typename T, T kSigns, bool kAbsolute>
struct Sign : SpreadBits {
  static T value(T a) { return static_cast<T>(kAbsolute ? a & ~kSigns : a ^ kSigns); }
};
constexpr std::uint32_t kPairSigns = 0x80008000;

/// abs and neg touch the sign alone, NaN's too; with .ftz subnormals become zeros as well.
template <bool kAbsolute>
struct FlushedSign : SpreadAll {
  static std::uint32_t value(std::uint32_t a) {
    const double value = flushed(SingleLane::load(a), kLeastSingle);
    const auto bits = SingleLane::store(value, Rounding::kNearestEven);
    return Sign<std::uint32_t, kSignBits<std::uint32_t>, kAbsolute>::value(bits);
  }
};

template <bool kAbsolute>
void decode_sign(Builder& b) {
  using H = std::uint16_t;
  using W = std::uint32_t;
  using D = std::uint64_t;
  FloatVariant variant;
  variant.flush = b.accept("ftz");
  const Type type = b.expect_type();
  Execute execute = nullptr;
  switch (type) {
    case Type::kF16: case Type::kBf16:
      execute = &map_lanes<Sign<H, kSignBits<H>, kAbsolute>, H, H>;
      break;
    case Type::kF16x2: case Type::kBf16x2:
      execute = &map_lanes<Sign<W, kPairSigns, kAbsolute>, W, W>;
      break;
    case Type::kF32:
      execute = variant.flush ? &map_lanes<FlushedSign<kAbsolute>, W, W>
                              : &map_lanes<Sign<W, kSignBits<W>, kAbsolute>, W, W>;
      break;
    case Type::kF64:
      execute = &map_lanes<Sign<D, kSignBits<D>, kAbsolute>, D, D>;
      break;
    default: break;
  }
  finish(b, type, execute, 1, variant);
}

/// copysign d, a, b: a's sign on b's magnitude.
template <typename T>
struct CopySign : SpreadBits {
  static T value(T a, T b) { return (a & kSignBits<T>) | (b & ~kSignBits<T>); }
};

void decode_copysign(Builder& b) {
  using W = std::uint32_t;
  using D = std::uint64_t;
  const Type type = b.expect_type();
  const Execute execute = type == Type::kF64   ? &map_lanes<CopySign<D>, D, D, D>
                          : type == Type::kF32 ? &map_lanes<CopySign<W>, W, W, W>
                                               : nullptr;
  finish(b, type, execute, 2, {});
}

}  // namespace

bool accept_rounding(Builder& builder, FloatVariant& variant) {
  static constexpr Rounding kRoundings[] = {Rounding::kNearestEven, Rounding::kZero,
                                            Rounding::kDown, Rounding::kUp};
  const auto found = builder.accept_one({"rn", "rz", "rm", "rp"});
  if (found) variant.rounding = kRoundings[*found];
  return found.has_value();
}

namespace floating {

void decode_add(Builder& b) { decode_exact<Kind::kAdd>(b); }
void decode_sub(Builder& b) { decode_exact<Kind::kSub>(b); }
void decode_mul(Builder& b) { decode_exact<Kind::kMul>(b); }
void decode_mad(Builder& b) { decode_exact<Kind::kFma>(b); }
void decode_div(Builder& b) { decode_divide_or_root<Kind::kDiv>(b); }
void decode_abs(Builder& b) { decode_sign<true>(b); }
void decode_neg(Builder& b) { decode_sign<false>(b); }
void decode_min(Builder& b) { decode_extremum<Kind::kMin>(b); }
void decode_max(Builder& b) { decode_extremum<Kind::kMax>(b); }
void decode_rcp(Builder& b) { decode_exact<Kind::kRcp>(b); }

}  // namespace floating

std::span<const Entry> float_instructions() {
  static constexpr Entry kEntries[] = {
      {"fma", decode_exact<Kind::kFma>},
      {"sqrt", decode_divide_or_root<Kind::kSqrt>},
      {"copysign", decode_copysign},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
