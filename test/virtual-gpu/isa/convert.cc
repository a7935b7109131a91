// Conversions (PTX ISA, "cvt", "cvt.pack").
//
// A lane goes through one of two carriers: a 64-bit integer or a double, which holds every format
// exactly except 64-bit integers; those are rounded to odd on the way.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "isa/float.h"
#include "isa/lanes.h"
#include "isa/numbers.h"
#include "isa/registry.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

enum class ToInteger : std::uint8_t { kNone, kNearest, kZero, kDown, kUp };

struct Conversion : Detail {
  Type to = Type::kB32;
  Type from = Type::kB32;
  Rounding rounding = Rounding::kNearestEven;
  ToInteger to_integer = ToInteger::kNone;
  bool flush = false;
  bool saturate = false;    // integers: to the range; floats: to [0, 1]
  bool finite = false;      // .satfinite: to the largest number
  bool relu = false;
};

bool is_unsigned_64(Type type) { return type == Type::kU64 || type == Type::kB64; }

std::uint64_t raw_lane(Warp& warp, const Operand& operand, std::uint32_t lane) {
  switch (operand.bytes) {
    case 1: return warp.lanes_of<std::uint8_t>(operand)[lane];
    case 2: return warp.lanes_of<std::uint16_t>(operand)[lane];
    case 4: return warp.lanes_of<std::uint32_t>(operand)[lane];
    default: return warp.lanes_of<std::uint64_t>(operand)[lane];
  }
}

void set_raw_lane(Warp& warp, const Operand& operand, std::uint32_t lane, std::uint64_t bits) {
  switch (operand.bytes) {
    case 1: warp.lanes_of<std::uint8_t>(operand)[lane] = static_cast<std::uint8_t>(bits); break;
    case 2: warp.lanes_of<std::uint16_t>(operand)[lane] = static_cast<std::uint16_t>(bits); break;
    case 4: warp.lanes_of<std::uint32_t>(operand)[lane] = static_cast<std::uint32_t>(bits); break;
    default: warp.lanes_of<std::uint64_t>(operand)[lane] = bits;
  }
}

/// The low bits of a register as an integer of the type.
std::int64_t extended(Type type, std::uint64_t bits) {
  const std::uint32_t shift = 64 - ptx::bits_of(type);
  const std::uint64_t high = bits << shift;
  return ptx::is_signed(type) ? static_cast<std::int64_t>(high) >> shift
                              : static_cast<std::int64_t>(high >> shift);
}

double real_of(Type type, std::uint64_t bits) {
  switch (type) {
    case Type::kF16: return Half{static_cast<std::uint16_t>(bits)}.value();
    case Type::kBf16: return Brain{static_cast<std::uint16_t>(bits)}.value();
    case Type::kF64: return std::bit_cast<double>(bits);
    case Type::kE4m3: return value_of(kE4m3, static_cast<std::uint32_t>(bits & 0xFF));
    case Type::kE5m2: return value_of(kE5m2, static_cast<std::uint32_t>(bits & 0xFF));
    default: return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  }
}

double real_of_integer(Type type, std::int64_t value) {
  constexpr double kUpper = 4294967296.0;
  const double high = is_unsigned_64(type)
                          ? static_cast<double>(static_cast<std::uint64_t>(value) >> 32)
                          : static_cast<double>(value >> 32);
  return add_odd(high * kUpper, static_cast<double>(static_cast<std::uint32_t>(value)));
}

std::uint64_t store_real(const Conversion& c, double value) {
  double x = value;
  if (c.saturate) x = std::isnan(x) ? 0.0 : std::fmin(std::fmax(x, 0.0), 1.0);
  if (c.relu && x < 0) x = 0.0;
  switch (c.to) {
    case Type::kF16: return round_to(kHalf, x, c.rounding, c.finite);
    case Type::kBf16: return round_to(kBrain, x, c.rounding, c.finite);
    case Type::kE4m3: return round_to(kE4m3, x, c.rounding, true);
    case Type::kE5m2: return round_to(kE5m2, x, c.rounding, true);
    case Type::kTf32: return std::uint64_t{round_to(kTensor32, x, c.rounding, c.finite)} << 13;
    case Type::kF64: return std::bit_cast<std::uint64_t>(x);
    default: {
      const std::uint32_t bits = SingleLane::store(x, c.rounding);
      if (!c.flush) return bits;
      return SingleLane::store(flushed(SingleLane::load(bits), kLeastSingle), Rounding::kZero);
    }
  }
}

double integral(ToInteger mode, double value) {
  switch (mode) {
    case ToInteger::kNearest: return std::nearbyint(value);
    case ToInteger::kZero: return std::trunc(value);
    case ToInteger::kDown: return std::floor(value);
    case ToInteger::kUp: return std::ceil(value);
    case ToInteger::kNone: return value;
  }
  return value;
}

/// Out-of-range values go to the nearest in range; NaN to zero, or the top bit with 64 bits.
std::uint64_t integer_of(const Conversion& c, double value) {
  const std::uint32_t width = ptx::bits_of(c.to);
  if (std::isnan(value)) {
    const bool wide = c.from == Type::kF64 || width == 64;
    return wide ? std::uint64_t{1} << (width - 1) : 0;
  }
  if (ptx::is_signed(c.to)) {
    const double limit = std::ldexp(1.0, static_cast<int>(width) - 1);
    const std::int64_t most = static_cast<std::int64_t>(~std::uint64_t{0} >> (65 - width));
    if (value >= limit) return static_cast<std::uint64_t>(most);
    if (value < -limit) return static_cast<std::uint64_t>(-most - 1);
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
  }
  if (value <= 0) return 0;
  if (value >= std::ldexp(1.0, static_cast<int>(width))) return ~std::uint64_t{0} >> (64 - width);
  return static_cast<std::uint64_t>(value);
}

std::uint64_t saturated(const Conversion& c, std::int64_t value) {
  const std::uint32_t width = ptx::bits_of(c.to);
  const bool huge = is_unsigned_64(c.from) && value < 0;  // above every signed number
  if (ptx::is_signed(c.to)) {
    const std::int64_t most = static_cast<std::int64_t>(~std::uint64_t{0} >> (65 - width));
    if (huge || value > most) return static_cast<std::uint64_t>(most);
    return static_cast<std::uint64_t>(std::max(value, -most - 1));
  }
  if (value < 0 && !huge) return 0;
  const std::uint64_t most = ~std::uint64_t{0} >> (64 - width);
  return std::min(static_cast<std::uint64_t>(value), most);
}

[[gnu::noinline]] std::uint64_t double_of_integer(Type type, std::int64_t value,
                                                  Rounding rounding) {
  const int before = std::fegetround();
  std::fesetround(rounding == Rounding::kZero   ? FE_TOWARDZERO
                  : rounding == Rounding::kDown ? FE_DOWNWARD
                  : rounding == Rounding::kUp   ? FE_UPWARD
                                                : FE_TONEAREST);
  volatile std::int64_t hidden = value;
  volatile double result = is_unsigned_64(type)
                               ? static_cast<double>(static_cast<std::uint64_t>(hidden))
                               : static_cast<double>(hidden);
  std::fesetround(before);
  return std::bit_cast<std::uint64_t>(static_cast<double>(result));
}

std::uint64_t convert(const Conversion& c, std::uint64_t bits) {
  const bool from_real = ptx::is_float(c.from) || c.from == Type::kE4m3 || c.from == Type::kE5m2;
  const bool to_real = ptx::is_float(c.to) || c.to == Type::kE4m3 || c.to == Type::kE5m2;
  if (!from_real) {
    const std::int64_t value = extended(c.from, bits);
    if (!to_real) return c.saturate ? saturated(c, value) : static_cast<std::uint64_t>(value);
    if (c.to == Type::kF64) return double_of_integer(c.from, value, c.rounding);
    return store_real(c, real_of_integer(c.from, value));
  }
  double value = real_of(c.from, bits);
  if (c.flush && c.from == Type::kF32) value = flushed(value, kLeastSingle);
  value = integral(c.to_integer, value);
  return to_real ? store_real(c, value) : integer_of(c, value);
}

/// How undefined bits go through: with integers as the bits do, else all or none.
std::uint64_t undefined_bits(const Conversion& c, std::uint64_t undefined) {
  // Bits of a register above the type are not looked at.
  const std::uint32_t width = ptx::bits_of(c.from);
  if (width < 64) undefined &= (std::uint64_t{1} << width) - 1;
  if (undefined == 0) return 0;
  const bool integers = !ptx::is_float(c.from) && !ptx::is_float(c.to) && !c.saturate;
  if (!integers) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(extended(c.from, undefined));
}

/// A result register wider than the type gets the sign or zeros above.
std::uint64_t fitted(const Conversion& c, std::uint64_t bits) {
  const bool whole = ptx::is_float(c.to) || ptx::bits_of(c.to) == 64 || ptx::bits_of(c.to) == 0;
  return whole ? bits : static_cast<std::uint64_t>(extended(c.to, bits));
}

Flow run_cvt(Warp& warp, const Op& op, LaneMask mask) {
  const auto& c = *static_cast<const Conversion*>(op.detail);
  const Operand& to = op.operands[0];
  const Operand& from = op.operands[1];
  const bool tainted = warp.tainted(from);
  std::uint64_t undefined[kLanes] = {};
  if (tainted) {
    warp.spread_taint(from);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      const std::byte* bits = warp.undefined_of<std::byte>(from) + lane * from.bytes;
      std::memcpy(&undefined[lane], bits, from.bytes);
      undefined[lane] = fitted(c, undefined_bits(c, undefined[lane]));
    }
  }
  const std::uint32_t origin = tainted ? warp.origin_of(from) : 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    set_raw_lane(warp, to, lane, fitted(c, convert(c, raw_lane(warp, from, lane))));
  }
  if (!tainted) {
    warp.mark_defined(to, mask);
    return Flow::kNext;
  }
  const auto write = [&]<typename T>(T) {
    T bits[kLanes];
    std::transform(undefined, undefined + kLanes, bits,
                   [](std::uint64_t each) { return static_cast<T>(each); });
    write_undefined(warp, to, mask, bits, origin);
  };
  switch (to.bytes) {
    case 1: write(std::uint8_t{}); break;
    case 2: write(std::uint16_t{}); break;
    case 4: write(std::uint32_t{}); break;
    default: write(std::uint64_t{});
  }
  return Flow::kNext;
}

/// cvt.rn.f16x2.f32 d, a, b: a into the upper half, b into the lower.
Flow run_pack(Warp& warp, const Op& op, LaneMask mask) {
  const auto& c = *static_cast<const Conversion*>(op.detail);
  const std::uint32_t width = ptx::bits_of(c.to);
  const std::uint32_t* a = warp.lanes_of<std::uint32_t>(op.operands[1]);
  const std::uint32_t* b = warp.lanes_of<std::uint32_t>(op.operands[2]);
  const std::uint32_t* ua = undefined_or_null<std::uint32_t>(warp, op.operands[1]);
  const std::uint32_t* ub = undefined_or_null<std::uint32_t>(warp, op.operands[2]);
  std::uint32_t result[kLanes];
  std::uint32_t undefined[kLanes] = {};
  const std::uint32_t ones = (1u << width) - 1;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    result[lane] = static_cast<std::uint32_t>(convert(c, a[lane]) << width | convert(c, b[lane]));
    if (ua != nullptr && ua[lane] != 0) undefined[lane] |= ones << width;
    if (ub != nullptr && ub[lane] != 0) undefined[lane] |= ones;
  }
  const std::uint32_t origin = ua != nullptr   ? warp.origin_of(op.operands[1])
                               : ub != nullptr ? warp.origin_of(op.operands[2])
                                               : 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) != 0) set_raw_lane(warp, op.operands[0], lane, result[lane]);
  }
  if (ua == nullptr && ub == nullptr) {
    warp.mark_defined(op.operands[0], mask);
  } else if (op.operands[0].bytes == 4) {
    write_undefined(warp, op.operands[0], mask, undefined, origin);
  } else {
    std::uint16_t narrow[kLanes];
    for (std::uint32_t i = 0; i < kLanes; ++i) narrow[i] = static_cast<std::uint16_t>(undefined[i]);
    write_undefined(warp, op.operands[0], mask, narrow, origin);
  }
  return Flow::kNext;
}

/// cvt.rn.f16x2.e4m3x2 d, a: two bytes to two halves.
Flow run_unpack(Warp& warp, const Op& op, LaneMask mask) {
  const auto& c = *static_cast<const Conversion*>(op.detail);
  const LaneMask undefined = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = undefined != 0 ? warp.origin_of(op.operands[1]) : 0;
  std::uint32_t result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t bits = raw_lane(warp, op.operands[1], lane);
    result[lane] = static_cast<std::uint32_t>(convert(c, bits >> 8 & 0xFF) << 16 |
                                              convert(c, bits & 0xFF));
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

Type element_of(Type pair) {
  switch (pair) {
    case Type::kF16x2: return Type::kF16;
    case Type::kBf16x2: return Type::kBf16;
    case Type::kE4m3x2: return Type::kE4m3;
    case Type::kE5m2x2: return Type::kE5m2;
    default: return pair;
  }
}

void read_roundings(Builder& b, Conversion& c) {
  if (const auto found = b.accept_one({"rni", "rzi", "rmi", "rpi"})) {
    c.to_integer = static_cast<ToInteger>(*found + 1);
    return;
  }
  FloatVariant variant;
  if (accept_rounding(b, variant)) c.rounding = variant.rounding;
  if (b.accept("rna")) c.rounding = Rounding::kNearestAway;
}

void decode_cvt(Builder& b) {
  Conversion& c = b.detail<Conversion>();
  b.op().op_class = OpClass::kConvert;
  read_roundings(b, c);
  c.relu = b.accept("relu");
  c.flush = b.accept("ftz");
  c.finite = b.accept("satfinite");
  c.saturate = b.accept("sat");
  c.relu = b.accept("relu") || c.relu;
  c.to = b.expect_type();
  c.from = b.expect_type();
  const Type to = c.to;
  const Type from = c.from;
  c.to = element_of(to);
  c.from = element_of(from);
  if (from != c.from) {  // from a pair of bytes
    b.op().execute = &run_unpack;
    b.destination(b.operand(0), 4);
    b.end_destinations();
    b.source(b.operand(1), Type::kB16);
  } else if (to != c.to) {
    b.op().execute = &run_pack;
    b.destination(b.operand(0), ptx::bytes_of(to));
    b.end_destinations();
    b.source(b.operand(1), from);
    b.source(b.operand(2), from);
  } else {
    b.op().execute = &run_cvt;
    b.destination(b.operand(0), ptx::bytes_of(to), true);
    b.end_destinations();
    b.source(b.operand(1), from, true);
    if (ptx::is_float(from) && !ptx::is_float(to) && c.to_integer == ToInteger::kNone) {
      b.fail("Expected a rounding to an integer");
    }
  }
}

}  // namespace

std::span<const Entry> convert_instructions() {
  static constexpr Entry kEntries[] = {{"cvt", decode_cvt}};
  return kEntries;
}

}  // namespace virtual_gpu::isa
