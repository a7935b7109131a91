// Logic and shifts (PTX ISA, "Logic and Shift Instructions").
#include <algorithm>
#include <bit>
#include <cstdint>

#include "isa/bits.h"
#include "isa/lanes.h"

namespace virtual_gpu::isa {

void finish_bits(Builder& b, Execute execute, std::uint32_t result_bytes,
            std::initializer_list<Type> sources) {
  if (execute == nullptr) b.fail("Expected another type of " + b.instruction().opcode);
  b.op().execute = execute;
  b.op().op_class = OpClass::kInteger;
  b.destination(b.operand(0), result_bytes);
  b.end_destinations();
  std::size_t index = 0;
  for (const Type type : sources) b.source(b.operand(++index), type);
}

namespace {

template <typename T>
struct And {
  static T value(T a, T b) { return a & b; }
  /// A defined 0 on one side makes the result's bit defined.
  static T undefined_by_value(T a, T b, T ua, T ub) {
    return static_cast<T>((ua & ub) | (ua & b) | (ub & a));
  }
};
template <typename T>
struct Or {
  static T value(T a, T b) { return a | b; }
  static T undefined_by_value(T a, T b, T ua, T ub) {
    return static_cast<T>((ua & ub) | (ua & ~b) | (ub & ~a));
  }
};
template <typename T>
struct Xor : SpreadBits {
  static T value(T a, T b) { return a ^ b; }
};
template <typename T>
struct Not : SpreadBits {
  static T value(T a) { return static_cast<T>(~a); }
};
template <typename T>
struct LogicalNot : SpreadAll {
  static T value(T a) { return a == 0 ? 1 : 0; }
};

/// Shift counts above the width give what a shift by the width gives.
template <typename T>
struct ShiftLeft {
  static T value(T a, std::uint32_t count) {
    return count >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << count);
  }
  static T undefined_by_value(T, std::uint32_t count, T ua, std::uint32_t ucount) {
    return ucount != 0 ? static_cast<T>(~T{0}) : value(ua, count);
  }
};
template <typename T>
struct ShiftRight {
  static T value(T a, std::uint32_t count) {
    const std::uint32_t width = 8 * sizeof(T);
    if (count < width) return static_cast<T>(a >> count);
    return std::is_signed_v<T> ? static_cast<T>(a >> (width - 1)) : T{0};
  }
  static Bits<T> undefined_by_value(T, std::uint32_t count, Bits<T> ua, std::uint32_t ucount) {
    if (ucount != 0) return static_cast<Bits<T>>(~Bits<T>{0});
    return static_cast<Bits<T>>(value(static_cast<T>(ua), count));
  }
};
template <bool kWrap>
std::uint32_t funnel_count(std::uint32_t count) {
  return kWrap ? count & 31 : std::min(count, 32u);
}
template <bool kWrap>
struct FunnelLeft {
  static std::uint32_t value(std::uint32_t a, std::uint32_t b, std::uint32_t count) {
    const std::uint64_t both = std::uint64_t{b} << 32 | a;
    return static_cast<std::uint32_t>((both << funnel_count<kWrap>(count)) >> 32);
  }
  static std::uint32_t undefined_by_value(std::uint32_t, std::uint32_t, std::uint32_t count,
                                          std::uint32_t ua, std::uint32_t ub, std::uint32_t uc) {
    return uc != 0 ? ~0u : value(ua, ub, count);
  }
};
template <bool kWrap>
struct FunnelRight {
  static std::uint32_t value(std::uint32_t a, std::uint32_t b, std::uint32_t count) {
    const std::uint64_t both = std::uint64_t{b} << 32 | a;
    return static_cast<std::uint32_t>(both >> funnel_count<kWrap>(count));
  }
  static std::uint32_t undefined_by_value(std::uint32_t, std::uint32_t, std::uint32_t count,
                                          std::uint32_t ua, std::uint32_t ub, std::uint32_t uc) {
    return uc != 0 ? ~0u : value(ua, ub, count);
  }
};

std::uint32_t table_lookup(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table) {
  std::uint32_t result = 0;
  for (std::uint32_t row = 0; row < 8; ++row) {
    if ((table >> row & 1) == 0) continue;
    result |= ((row & 4) != 0 ? a : ~a) & ((row & 2) != 0 ? b : ~b) & ((row & 1) != 0 ? c : ~c);
  }
  return result;
}
struct Lop3 {
  static std::uint32_t value(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                             std::uint32_t table) {
    return table_lookup(a, b, c, table);
  }
  /// A bit is undefined if it depends on an undefined one: if any choice for it changes the result.
  static std::uint32_t undefined_by_value(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                          std::uint32_t table, std::uint32_t ua, std::uint32_t ub,
                                          std::uint32_t uc, std::uint32_t) {
    std::uint32_t ones = 0;
    std::uint32_t zeros = 0;
    for (int choice = 0; choice < 8; ++choice) {
      const std::uint32_t found = table_lookup((choice & 4) != 0 ? a ^ ua : a,
                                               (choice & 2) != 0 ? b ^ ub : b,
                                               (choice & 1) != 0 ? c ^ uc : c, table);
      ones |= found;
      zeros |= ~found;
    }
    return ones & zeros;
  }
};

struct PredicateAnd { static LaneMask value(LaneMask a, LaneMask b) { return a & b; } };
struct PredicateOr { static LaneMask value(LaneMask a, LaneMask b) { return a | b; } };
struct PredicateXor { static LaneMask value(LaneMask a, LaneMask b) { return a ^ b; } };

LaneMask source_predicate(Warp& warp, const Operand& operand) {
  const LaneMask value = warp.predicate(operand);
  return operand.negated ? ~value : value;
}

template <typename F>
Flow run_predicate(Warp& warp, const Op& op, LaneMask mask) {
  const bool binary = op.operands.size() > 2;
  const LaneMask a = source_predicate(warp, op.operands[1]);
  const LaneMask b = binary ? source_predicate(warp, op.operands[2]) : kAllLanes;
  LaneMask ua = warp.undefined_lanes(op.operands[1], mask);
  LaneMask ub = binary ? warp.undefined_lanes(op.operands[2], mask) : 0;
  const std::uint32_t origin =
      ua != 0 ? warp.origin_of(op.operands[1]) : ub != 0 ? warp.origin_of(op.operands[2]) : 0;
  const LaneMask result = F::value(a, b);
  // Undefined where another value of an undefined input would change the result.
  const LaneMask undefined = (result ^ F::value(a ^ ua, b)) | (result ^ F::value(a, b ^ ub)) |
                             (result ^ F::value(a ^ ua, b ^ ub));
  LaneMask& to = warp.predicate(op.operands[0]);
  to = (to & ~mask) | (result & mask);
  warp.mark_defined(op.operands[0], mask);
  if ((undefined & mask) != 0) warp.mark_undefined(op.operands[0], undefined & mask, origin);
  return Flow::kNext;
}

void decode_predicate(Builder& b, Execute execute, std::size_t sources) {
  b.op().execute = execute;
  b.op().op_class = OpClass::kPredicate;
  b.predicate_destination(b.operand(0));
  b.end_destinations();
  for (std::size_t i = 1; i <= sources; ++i) b.predicate_source(b.operand(i));
}

template <template <typename> class F, std::size_t kSources>
Execute logic(std::uint32_t bytes) {
  const auto make = []<typename T>(T) -> Execute {
    if constexpr (kSources == 1) return &map_lanes<F<T>, T, T>;
    else return &map_lanes<F<T>, T, T, T>;
  };
  switch (bytes) {
    case 2: return make(std::uint16_t{});
    case 4: return make(std::uint32_t{});
    case 8: return make(std::uint64_t{});
    default: return nullptr;
  }
}

template <template <typename> class F, typename P>
void decode_logic(Builder& b) {
  const Type type = b.expect_type();
  if (type == Type::kPred) return decode_predicate(b, &run_predicate<P>, 2);
  finish_bits(b, logic<F, 2>(ptx::bytes_of(type)), ptx::bytes_of(type), {type, type});
}

void decode_not(Builder& b) {
  const Type type = b.expect_type();
  if (type == Type::kPred) {
    struct PredicateNot { static LaneMask value(LaneMask a, LaneMask) { return ~a; } };
    return decode_predicate(b, &run_predicate<PredicateNot>, 1);
  }
  finish_bits(b, logic<Not, 1>(ptx::bytes_of(type)), ptx::bytes_of(type), {type});
}

void decode_cnot(Builder& b) {
  const Type type = b.expect_type();
  finish_bits(b, logic<LogicalNot, 1>(ptx::bytes_of(type)), ptx::bytes_of(type), {type});
}

void decode_lop3(Builder& b) {
  const auto combine = b.accept_one({"or", "and"});
  if (combine) b.fail("lop3 with a predicate is not supported");
  const Type type = b.expect_type();
  if (type != Type::kB32) b.fail("Expected .b32");
  using W = std::uint32_t;
  finish_bits(b, &map_lanes<Lop3, W, W, W, W, W>, 4, {type, type, type, type});
}

template <typename T>
Execute shift_left() { return &map_lanes<ShiftLeft<T>, T, T, std::uint32_t>; }
template <typename T>
Execute shift_right() { return &map_lanes<ShiftRight<T>, T, T, std::uint32_t>; }

void decode_shl(Builder& b) {
  const Type type = b.expect_type();
  Execute execute = nullptr;
  switch (ptx::bytes_of(type)) {
    case 2: execute = shift_left<std::uint16_t>(); break;
    case 4: execute = shift_left<std::uint32_t>(); break;
    case 8: execute = shift_left<std::uint64_t>(); break;
    default: break;
  }
  finish_bits(b, execute, ptx::bytes_of(type), {type, Type::kU32});
}

void decode_shr(Builder& b) {
  const Type type = b.expect_type();
  Execute execute = nullptr;
  switch (type) {
    case Type::kB16: case Type::kU16: execute = shift_right<std::uint16_t>(); break;
    case Type::kS16: execute = shift_right<std::int16_t>(); break;
    case Type::kB32: case Type::kU32: execute = shift_right<std::uint32_t>(); break;
    case Type::kS32: execute = shift_right<std::int32_t>(); break;
    case Type::kB64: case Type::kU64: execute = shift_right<std::uint64_t>(); break;
    case Type::kS64: execute = shift_right<std::int64_t>(); break;
    default: break;
  }
  finish_bits(b, execute, ptx::bytes_of(type), {type, Type::kU32});
}

void decode_shf(Builder& b) {
  using W = std::uint32_t;
  const bool left = b.expect_one({"l", "r"}) == 0;
  const bool wrap = b.expect_one({"clamp", "wrap"}) == 1;
  const Type type = b.expect_type();
  const Execute execute = left ? (wrap ? &map_lanes<FunnelLeft<true>, W, W, W, W>
                                       : &map_lanes<FunnelLeft<false>, W, W, W, W>)
                               : (wrap ? &map_lanes<FunnelRight<true>, W, W, W, W>
                                       : &map_lanes<FunnelRight<false>, W, W, W, W>);
  finish_bits(b, execute, 4, {type, type, Type::kU32});
}

}  // namespace

std::span<const Entry> bit_instructions() {
  static constexpr Entry kEntries[] = {
      {"and", decode_logic<And, PredicateAnd>},
      {"or", decode_logic<Or, PredicateOr>},
      {"xor", decode_logic<Xor, PredicateXor>},
      {"not", decode_not},
      {"cnot", decode_cnot},
      {"lop3", decode_lop3},
      {"shl", decode_shl},
      {"shr", decode_shr},
      {"shf", decode_shf},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
