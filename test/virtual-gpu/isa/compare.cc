// Comparison and selection (PTX ISA, "Comparison and Selection Instructions").
#include <cmath>
#include <cstdint>

#include "isa/lanes.h"
#include "isa/numbers.h"
#include "isa/registry.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

enum class Comparison : std::uint8_t {
  kEq, kNe, kLt, kLe, kGt, kGe, kLo, kLs, kHi, kHs, kEqu, kNeu, kLtu, kLeu, kGtu, kGeu, kNum, kNan,
};
enum class Combine : std::uint8_t { kNone, kAnd, kOr, kXor };

struct Relation {
  bool less;
  bool equal;
  bool greater;  // none of the three: unordered
};

bool holds(Comparison comparison, Relation r) {
  const bool unordered = !r.less && !r.equal && !r.greater;
  switch (comparison) {
    case Comparison::kEq: return r.equal;
    case Comparison::kNe: return r.less || r.greater;
    case Comparison::kLt:
    case Comparison::kLo: return r.less;
    case Comparison::kLe:
    case Comparison::kLs: return r.less || r.equal;
    case Comparison::kGt:
    case Comparison::kHi: return r.greater;
    case Comparison::kGe:
    case Comparison::kHs: return r.greater || r.equal;
    case Comparison::kEqu: return r.equal || unordered;
    case Comparison::kNeu: return !r.equal;
    case Comparison::kLtu: return r.less || unordered;
    case Comparison::kLeu: return r.less || r.equal || unordered;
    case Comparison::kGtu: return r.greater || unordered;
    case Comparison::kGeu: return r.greater || r.equal || unordered;
    case Comparison::kNum: return !unordered;
    case Comparison::kNan: return unordered;
  }
  return false;
}

template <typename T>
struct Plain {
  using Storage = T;
  static T load(T value) { return value; }
};
struct FlushedSingle {
  using Storage = float;
  static float load(float value) {
    return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
  }
};
struct FromHalf {
  using Storage = std::uint16_t;
  static float load(std::uint16_t bits) { return Half{bits}.value(); }
};
struct FromBrain {
  using Storage = std::uint16_t;
  static float load(std::uint16_t bits) { return Brain{bits}.value(); }
};

/// Which comparison, and with which predicate the result is combined; in Op::variant.
struct Variant {
  Comparison comparison;
  Combine combine;
  bool to_float;   // set: 1.0 instead of all ones

  std::uint32_t pack() const {
    return static_cast<std::uint32_t>(comparison) | static_cast<std::uint32_t>(combine) << 8 |
           static_cast<std::uint32_t>(to_float) << 16;
  }
  static Variant unpack(std::uint32_t bits) {
    return {static_cast<Comparison>(bits & 0xFF), static_cast<Combine>(bits >> 8 & 0xFF),
            (bits >> 16 & 1) != 0};
  }
};

template <typename Access>
LaneMask compare_lanes(Warp& warp, const Operand& left, const Operand& right,
                       Comparison comparison) {
  const auto* a = warp.lanes_of<typename Access::Storage>(left);
  const auto* b = warp.lanes_of<typename Access::Storage>(right);
  LaneMask result = 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const auto x = Access::load(a[lane]);
    const auto y = Access::load(b[lane]);
    result |= LaneMask{holds(comparison, {x < y, x == y, x > y})} << lane;
  }
  return result;
}

LaneMask combined(Combine combine, LaneMask compared, LaneMask other) {
  switch (combine) {
    case Combine::kNone: return compared;
    case Combine::kAnd: return compared & other;
    case Combine::kOr: return compared | other;
    case Combine::kXor: return compared ^ other;
  }
  return compared;
}

void write_predicate(Warp& warp, const Operand& to, LaneMask mask, LaneMask value) {
  LaneMask& predicate = warp.predicate(to);
  predicate = (predicate & ~mask) | (value & mask);
  warp.mark_defined(to, mask);
}

/// The lanes whose comparison depends on undefined bits, and where the last of these come from.
LaneMask undefined_inputs(Warp& warp, const Op& op, std::size_t first, std::size_t count,
                          LaneMask mask, std::uint32_t& origin) {
  LaneMask found = 0;
  for (std::size_t i = first; i < first + count; ++i) {
    const LaneMask lanes = warp.undefined_lanes(op.operands[i], mask);
    if (lanes != 0) origin = warp.origin_of(op.operands[i]);
    found |= lanes;
  }
  return found;
}

/// The lanes where another value of an undefined input would change the result.
LaneMask doubtful_lanes(Combine combine, LaneMask compared, LaneMask other,
                        LaneMask compared_unknown, LaneMask other_unknown) {
  const LaneMask result = combined(combine, compared, other);
  const LaneMask flipped = compared ^ compared_unknown;
  const LaneMask swapped = other ^ other_unknown;
  return (result ^ combined(combine, flipped, other)) |
         (result ^ combined(combine, compared, swapped)) |
         (result ^ combined(combine, flipped, swapped));
}

/// setp: operands p, q, a, b and perhaps c; q is the sink where it is not asked for.
template <typename Access>
Flow run_setp(Warp& warp, const Op& op, LaneMask mask) {
  const Variant variant = Variant::unpack(op.variant);
  const LaneMask compared =
      compare_lanes<Access>(warp, op.operands[2], op.operands[3], variant.comparison);
  LaneMask other = 0;
  if (variant.combine != Combine::kNone) {
    other = warp.predicate(op.operands[4]);
    if (op.operands[4].negated) other = ~other;
  }
  std::uint32_t origin = 0;
  const LaneMask unknown = undefined_inputs(warp, op, 2, 2, mask, origin);
  const LaneMask other_unknown =
      undefined_inputs(warp, op, 4, op.operands.size() - 4, mask, origin);
  const auto write = [&](const Operand& to, LaneMask value) {
    if (to.sink) return;
    write_predicate(warp, to, mask, combined(variant.combine, value, other));
    const LaneMask doubtful =
        doubtful_lanes(variant.combine, value, other, unknown, other_unknown) & mask;
    if (doubtful != 0) warp.mark_undefined(to, doubtful, origin);
  };
  write(op.operands[0], compared);
  write(op.operands[1], ~compared);
  return Flow::kNext;
}

/// set: operands d, a, b and perhaps c.
template <typename Access>
Flow run_set(Warp& warp, const Op& op, LaneMask mask) {
  const Variant variant = Variant::unpack(op.variant);
  LaneMask value = compare_lanes<Access>(warp, op.operands[1], op.operands[2], variant.comparison);
  if (variant.combine != Combine::kNone) {
    LaneMask other = warp.predicate(op.operands[3]);
    if (op.operands[3].negated) other = ~other;
    value = combined(variant.combine, value, other);
  }
  std::uint32_t origin = 0;
  const LaneMask undefined =
      undefined_inputs(warp, op, 1, op.operands.size() - 1, mask, origin);
  const std::uint32_t one = variant.to_float ? std::bit_cast<std::uint32_t>(1.0f) : ~0u;
  std::uint32_t result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    result[lane] = (value >> lane & 1) != 0 ? one : 0;
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

/// The lanes in which a half of a packed register is not wholly defined.
LaneMask undefined_halves(Warp& warp, const Operand& operand, int half) {
  const std::uint32_t* bits = undefined_or_null<std::uint32_t>(warp, operand);
  LaneMask found = 0;
  for (std::uint32_t lane = 0; lane < kLanes && bits != nullptr; ++lane) {
    found |= LaneMask{(bits[lane] >> (16 * half) & 0xFFFF) != 0} << lane;
  }
  return found;
}

/// setp.f16x2: both halves, the lower into p, the upper into q; set.f16x2 is not emitted by nvcc.
template <typename Access>
Flow run_setp_pair(Warp& warp, const Op& op, LaneMask mask) {
  const Variant variant = Variant::unpack(op.variant);
  const auto* a = warp.lanes_of<std::uint32_t>(op.operands[2]);
  const auto* b = warp.lanes_of<std::uint32_t>(op.operands[3]);
  LaneMask results[2] = {0, 0};
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    for (int half = 0; half < 2; ++half) {
      const auto x = Access::load(static_cast<std::uint16_t>(a[lane] >> (16 * half)));
      const auto y = Access::load(static_cast<std::uint16_t>(b[lane] >> (16 * half)));
      results[half] |= LaneMask{holds(variant.comparison, {x < y, x == y, x > y})} << lane;
    }
  }
  LaneMask other = 0;
  if (variant.combine != Combine::kNone) {
    other = warp.predicate(op.operands[4]);
    if (op.operands[4].negated) other = ~other;
  }
  std::uint32_t origin = 0;
  const LaneMask other_unknown =
      undefined_inputs(warp, op, 4, op.operands.size() - 4, mask, origin);
  const LaneMask either = undefined_inputs(warp, op, 2, 2, mask, origin);
  for (int half = 0; half < 2; ++half) {
    const LaneMask unknown =
        either & (undefined_halves(warp, op.operands[2], half) |
                  undefined_halves(warp, op.operands[3], half));
    write_predicate(warp, op.operands[half], mask,
                    combined(variant.combine, results[half], other));
    const LaneMask doubtful =
        doubtful_lanes(variant.combine, results[half], other, unknown, other_unknown) & mask;
    if (doubtful != 0) warp.mark_undefined(op.operands[half], doubtful, origin);
  }
  return Flow::kNext;
}

template <template <typename> class Run>
Execute by_type(Type type, bool flush) {
  switch (type) {
    case Type::kB16: case Type::kU16: return Run<Plain<std::uint16_t>>::get();
    case Type::kS16: return Run<Plain<std::int16_t>>::get();
    case Type::kB32: case Type::kU32: return Run<Plain<std::uint32_t>>::get();
    case Type::kS32: return Run<Plain<std::int32_t>>::get();
    case Type::kB64: case Type::kU64: return Run<Plain<std::uint64_t>>::get();
    case Type::kS64: return Run<Plain<std::int64_t>>::get();
    case Type::kF16: return Run<FromHalf>::get();
    case Type::kBf16: return Run<FromBrain>::get();
    case Type::kF32: return flush ? Run<FlushedSingle>::get() : Run<Plain<float>>::get();
    case Type::kF64: return Run<Plain<double>>::get();
    default: return nullptr;
  }
}
template <typename Access>
struct Setp { static Execute get() { return &run_setp<Access>; } };
template <typename Access>
struct Set { static Execute get() { return &run_set<Access>; } };

Variant read_variant(Builder& b) {
  Variant variant{};
  // In the order of Comparison.
  variant.comparison = static_cast<Comparison>(
      b.expect_one({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu",
                    "ltu", "leu", "gtu", "geu", "num", "nan"}));
  if (const auto combine = b.accept_one({"and", "or", "xor"})) {
    variant.combine = static_cast<Combine>(*combine + 1);
  }
  return variant;
}

void decode_setp(Builder& b) {
  const Variant variant = read_variant(b);
  const bool flush = b.accept("ftz");
  const Type type = b.expect_type();
  const bool pair = type == Type::kF16x2 || type == Type::kBf16x2;
  b.op().variant = variant.pack();
  b.op().op_class = OpClass::kPredicate;
  b.op().execute = type == Type::kF16x2    ? &run_setp_pair<FromHalf>
                   : type == Type::kBf16x2 ? &run_setp_pair<FromBrain>
                                           : by_type<Setp>(type, flush);
  if (b.op().execute == nullptr) b.fail("Expected another type of setp");
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  if (pair && results.size() != 2) b.fail("Expected two predicates");
  b.predicate_destination(results[0]);
  b.predicate_destination(results.size() > 1 ? results[1] : ptx::Operand{});
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), type);
  if (variant.combine != Combine::kNone) b.predicate_source(b.operand(3));
}

void decode_set(Builder& b) {
  Variant variant = read_variant(b);
  const bool flush = b.accept("ftz");
  const Type result = b.expect_type();
  const Type type = b.expect_type();
  if (ptx::bytes_of(result) != 4) b.fail("Expected a result of 32 bits of set");
  variant.to_float = result == Type::kF32;
  b.op().variant = variant.pack();
  b.op().op_class = OpClass::kPredicate;
  b.op().execute = by_type<Set>(type, flush);
  if (b.op().execute == nullptr) b.fail("Expected another type of set");
  b.destination(b.operand(0), 4);
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), type);
  if (variant.combine != Combine::kNone) b.predicate_source(b.operand(3));
}

/// selp: the chosen value's bits, undefined where the choice is.
template <typename T>
Flow run_selp(Warp& warp, const Op& op, LaneMask mask) {
  const T* a = warp.lanes_of<T>(op.operands[1]);
  const T* b = warp.lanes_of<T>(op.operands[2]);
  LaneMask choice = warp.predicate(op.operands[3]);
  if (op.operands[3].negated) choice = ~choice;
  T result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    result[lane] = (choice >> lane & 1) != 0 ? a[lane] : b[lane];
  }
  const bool tainted = warp.tainted(op.operands[1]) || warp.tainted(op.operands[2]) ||
                       warp.tainted(op.operands[3]);
  if (tainted) {
    const T* ua = undefined_or_null<T>(warp, op.operands[1]);
    const T* ub = undefined_or_null<T>(warp, op.operands[2]);
    const LaneMask doubtful = warp.undefined_lanes(op.operands[3], mask);
    std::uint32_t origin = 0;
    for (std::size_t i = 1; i <= 3; ++i) {
      if (warp.tainted(op.operands[i])) origin = warp.origin_of(op.operands[i]);
    }
    T bits[kLanes];
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      const T* chosen = (choice >> lane & 1) != 0 ? ua : ub;
      bits[lane] = chosen == nullptr ? T{0} : chosen[lane];
      if ((doubtful >> lane & 1) != 0) bits[lane] = static_cast<T>(~T{0});
    }
    write_lanes(warp, op.operands[0], mask, result);
    write_undefined(warp, op.operands[0], mask, bits, origin);
    return Flow::kNext;
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

void decode_selp(Builder& b) {
  const Type type = b.expect_type();
  switch (ptx::bytes_of(type)) {
    case 2: b.op().execute = &run_selp<std::uint16_t>; break;
    case 4: b.op().execute = &run_selp<std::uint32_t>; break;
    case 8: b.op().execute = &run_selp<std::uint64_t>; break;
    default: b.fail("Expected a type of 16, 32 or 64 bits");
  }
  b.op().op_class = OpClass::kMove;
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), type);
  b.predicate_source(b.operand(3));
}

template <typename T, typename C>
struct SelectBySign {
  static T value(T a, T b, C c) { return c >= 0 ? a : b; }
  static T undefined_by_value(T, T, C c, T ua, T ub, Bits<C> uc) {
    return uc != 0 ? static_cast<T>(~T{0}) : c >= 0 ? ua : ub;
  }
};

/// With .ftz a negative subnormal is a zero, which is not negative.
template <typename T>
struct SelectBySignFlushed {
  static T value(T a, T b, float c) {
    return c >= 0 || std::fpclassify(c) == FP_SUBNORMAL ? a : b;
  }
  static T undefined_by_value(T, T, float c, T ua, T ub, std::uint32_t uc) {
    return uc != 0 ? static_cast<T>(~T{0}) : value(ua, ub, c);
  }
};

void decode_slct(Builder& b) {
  const bool flush = b.accept("ftz");
  const Type type = b.expect_type();
  const Type by = b.expect_type();
  const auto make = [by, flush]<typename T>(T) -> Execute {
    if (by == Type::kF32 && flush) return &map_lanes<SelectBySignFlushed<T>, T, T, T, float>;
    return by == Type::kF32 ? &map_lanes<SelectBySign<T, float>, T, T, T, float>
                            : &map_lanes<SelectBySign<T, std::int32_t>, T, T, T, std::int32_t>;
  };
  switch (ptx::bytes_of(type)) {
    case 2: b.op().execute = make(std::uint16_t{}); break;
    case 4: b.op().execute = make(std::uint32_t{}); break;
    case 8: b.op().execute = make(std::uint64_t{}); break;
    default: b.fail("Expected a type of 16, 32 or 64 bits");
  }
  if (by != Type::kF32 && by != Type::kS32) b.fail("Expected .f32 or .s32");
  b.op().op_class = OpClass::kMove;
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), type);
  b.source(b.operand(3), by);
}

enum class Test : std::uint8_t { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };

template <typename T>
Flow run_testp(Warp& warp, const Op& op, LaneMask mask) {
  const T* a = warp.lanes_of<T>(op.operands[1]);
  LaneMask result = 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const int kind = std::fpclassify(a[lane]);
    bool is = false;
    switch (static_cast<Test>(op.variant)) {
      case Test::kFinite: is = kind != FP_NAN && kind != FP_INFINITE; break;
      case Test::kInfinite: is = kind == FP_INFINITE; break;
      case Test::kNumber: is = kind != FP_NAN; break;
      case Test::kNotANumber: is = kind == FP_NAN; break;
      case Test::kNormal: is = kind == FP_NORMAL || kind == FP_ZERO; break;
      case Test::kSubnormal: is = kind == FP_SUBNORMAL; break;
    }
    result |= LaneMask{is} << lane;
  }
  std::uint32_t origin = 0;
  const LaneMask undefined = undefined_inputs(warp, op, 1, 1, mask, origin);
  write_predicate(warp, op.operands[0], mask, result);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

void decode_testp(Builder& b) {
  b.op().variant = static_cast<std::uint32_t>(b.expect_one(
      {"finite", "infinite", "number", "notanumber", "normal", "subnormal"}));
  const Type type = b.expect_type();
  b.op().execute = type == Type::kF64 ? &run_testp<double> : &run_testp<float>;
  b.op().op_class = OpClass::kPredicate;
  b.predicate_destination(b.operand(0));
  b.end_destinations();
  b.source(b.operand(1), type);
}

}  // namespace

std::span<const Entry> compare_instructions() {
  static constexpr Entry kEntries[] = {
      {"setp", decode_setp}, {"set", decode_set},     {"selp", decode_selp},
      {"slct", decode_slct}, {"testp", decode_testp},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
