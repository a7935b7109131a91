// Additions with carry and dot products of bytes (PTX ISA, "Extended-Precision Integer Arithmetic
// Instructions"; "dp4a", "dp2a"). The carry flag is a predicate that every frame has.
#include <cstdint>

#include "isa/lanes.h"
#include "isa/registry.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

enum Variant : std::uint32_t { kTakesCarry = 1, kGivesCarry = 2, kSubtracts = 4, kMultiplies = 8,
                               kHigh = 16, kSigned = 32 };

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

template <typename T>
T product(const Op& op, T a, T b) {
  if ((op.variant & kHigh) == 0) return static_cast<T>(a * b);
  if ((op.variant & kSigned) != 0) {
    using S = std::make_signed_t<T>;
    return static_cast<T>((Int128{static_cast<S>(a)} * static_cast<S>(b)) >> (8 * sizeof(T)));
  }
  return static_cast<T>((UInt128{a} * b) >> (8 * sizeof(T)));
}

/// a ± b, or a * b + c, with the carry in and out as the variant says.
template <typename T>
Flow run_carry(Warp& warp, const Op& op, LaneMask mask) {
  const bool multiplies = (op.variant & kMultiplies) != 0;
  const T* a = warp.lanes_of<T>(op.operands[1]);
  const T* b = warp.lanes_of<T>(op.operands[2]);
  const T* c = multiplies ? warp.lanes_of<T>(op.operands[3]) : nullptr;
  const LaneMask carry_in = (op.variant & kTakesCarry) != 0 ? warp.predicate(kCarry) : 0;
  LaneMask carry_out = 0;
  T result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const T left = multiplies ? product<T>(op, a[lane], b[lane]) : a[lane];
    const T right = multiplies ? c[lane] : b[lane];
    const T in = carry_in >> lane & 1;
    bool carry;
    if ((op.variant & kSubtracts) != 0) {
      const T part = static_cast<T>(left - right);
      result[lane] = static_cast<T>(part - in);
      carry = left < right || part < in;
    } else {
      const T part = static_cast<T>(left + right);
      result[lane] = static_cast<T>(part + in);
      carry = part < left || result[lane] < part;
    }
    carry_out |= LaneMask{carry} << lane;
  }
  LaneMask undefined = 0;
  std::uint32_t origin = 0;
  const auto look = [&](const Operand& operand) {
    const LaneMask found = warp.undefined_lanes(operand, mask);
    if (found != 0) origin = warp.origin_of(operand);
    undefined |= found;
  };
  for (std::size_t i = 1; i < op.operands.size(); ++i) look(op.operands[i]);
  if ((op.variant & kTakesCarry) != 0) look(kCarry);
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  if ((op.variant & kGivesCarry) != 0) {
    LaneMask& flag = warp.predicate(kCarry);
    flag = (flag & ~mask) | (carry_out & mask);
    warp.mark_defined(kCarry, mask);
    if (undefined != 0) warp.mark_undefined(kCarry, undefined, origin);
  }
  return Flow::kNext;
}

void decode_carry(Builder& b, std::uint32_t variant) {
  std::size_t sources = 2;
  if ((variant & kMultiplies) != 0) {
    sources = 3;
    if (b.expect_one({"lo", "hi"}) == 1) variant |= kHigh;
  }
  if (b.accept("cc")) variant |= kGivesCarry;
  const Type type = b.expect_type();
  if (ptx::is_signed(type)) variant |= kSigned;
  const bool wide = ptx::bytes_of(type) == 8;
  if (!wide && ptx::bytes_of(type) != 4) b.fail("Expected a type of 32 or 64 bits");
  b.op().variant = variant;
  b.op().op_class = OpClass::kInteger;
  b.op().execute = wide ? &run_carry<std::uint64_t> : &run_carry<std::uint32_t>;
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  for (std::size_t i = 1; i <= sources; ++i) b.source(b.operand(i), type);
}

template <typename A, typename B, int kCount, int kFirst>
struct Dot : SpreadAll {
  // dp2a takes 16-bit parts of a and bytes kFirst and kFirst + 1 of b.
  static std::uint32_t value(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    std::uint32_t sum = c;
    for (int i = 0; i < kCount; ++i) {
      const auto x = static_cast<A>(a >> (32 / kCount * i));
      const auto y = static_cast<B>(b >> (8 * (i + kFirst)));
      sum += static_cast<std::uint32_t>(std::int64_t{x} * y);
    }
    return sum;
  }
};

template <typename A, typename B, int kCount, int kFirst>
Execute dot() {
  using W = std::uint32_t;
  return &map_lanes<Dot<A, B, kCount, kFirst>, W, W, W, W>;
}

template <typename UA, typename SA, int kCount, int kFirst>
void decode_dot(Builder& b) {
  using U = std::uint8_t;
  using S = std::int8_t;
  const Type a = b.expect_type();
  const Type of_b = b.expect_type();
  const bool known = (a == Type::kU32 || a == Type::kS32) &&
                     (of_b == Type::kU32 || of_b == Type::kS32);
  if (!known) b.fail("Expected .u32 or .s32 twice");
  if (ptx::is_signed(a)) {
    b.op().execute = ptx::is_signed(of_b) ? dot<SA, S, kCount, kFirst>()
                                          : dot<SA, U, kCount, kFirst>();
  } else {
    b.op().execute = ptx::is_signed(of_b) ? dot<UA, S, kCount, kFirst>()
                                          : dot<UA, U, kCount, kFirst>();
  }
  b.op().op_class = OpClass::kInteger;
  b.destination(b.operand(0), 4);
  b.end_destinations();
  for (std::size_t i = 1; i <= 3; ++i) b.source(b.operand(i), Type::kB32);
}

void decode_dp4a(Builder& b) { decode_dot<std::uint8_t, std::int8_t, 4, 0>(b); }

void decode_dp2a(Builder& b) {
  if (b.expect_one({"lo", "hi"}) == 0) return decode_dot<std::uint16_t, std::int16_t, 2, 0>(b);
  decode_dot<std::uint16_t, std::int16_t, 2, 2>(b);
}

void decode_addc(Builder& b) { decode_carry(b, kTakesCarry); }
void decode_subc(Builder& b) { decode_carry(b, kTakesCarry | kSubtracts); }
void decode_madc(Builder& b) { decode_carry(b, kTakesCarry | kMultiplies); }

}  // namespace

namespace extended {

void decode_add_cc(Builder& b) { decode_carry(b, 0); }
void decode_sub_cc(Builder& b) { decode_carry(b, kSubtracts); }
void decode_mad_cc(Builder& b) { decode_carry(b, kMultiplies); }

}  // namespace extended

std::span<const Entry> extended_instructions() {
  static constexpr Entry kEntries[] = {
      {"addc", decode_addc}, {"subc", decode_subc}, {"madc", decode_madc},
      {"dp4a", decode_dp4a}, {"dp2a", decode_dp2a},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
