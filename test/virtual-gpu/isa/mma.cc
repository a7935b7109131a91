// mma.sync (PTX ISA, "Matrix multiply-accumulate operation using mma instruction").
//
// All shapes but m8n8k4.f16 lay their fragments out by one rule. With g = lane / 4, t = lane % 4, E
// elements in a register:
//   A, register r, element i: row g + 8 (r % 2), column t E + i + 4 E (r / 2); one row of registers
//      only (no r % 2) where M is 8
//   B, register r, element i: row t E + i + 4 E r, column g
//   C, element e: row g + 8 (e / 2), column 2 t + e % 2
// Products are exact and are added in single precision in the order of k, or exactly for integers.
// Real tensor cores add in another order and with other roundings; PTX leaves both open.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <tuple>

#include "isa/lanes.h"
#include "isa/matrix.h"
#include "isa/numbers.h"
#include "isa/registry.h"
#include "machine/block.h"

namespace virtual_gpu::isa {
namespace {

constexpr std::uint32_t kMaxM = 16;
constexpr std::uint32_t kMaxN = 8;
constexpr std::uint32_t kMaxK = 64;

struct MmaForm : Detail {
  std::uint32_t m = 16, n = 8, k = 16;
  Type a = Type::kF16, b = Type::kF16, c = Type::kF32, d = Type::kF32;
  bool saturate = false;
  bool quad_pairs = false;         // m8n8k4 with f16: four products at once
  bool a_row = true, b_row = false;
  std::uint32_t registers[4] = {};  // of d, a, b, c
};

std::uint32_t bits_of_element(Type type) { return ptx::bits_of(type); }

/// Where element i of register r of a lane lies in a matrix.
struct Position {
  std::uint32_t row, column;
};

Position position_of_a(const MmaForm& form, std::uint32_t lane, std::uint32_t r, std::uint32_t i,
                       std::uint32_t per_register) {
  const std::uint32_t g = lane / 4;
  const std::uint32_t t = lane % 4;
  const std::uint32_t column = t * per_register + i;
  if (form.m == 8) return {g, column + 4 * per_register * r};
  return {g + 8 * (r % 2), column + 4 * per_register * (r / 2)};
}

Position position_of_b(std::uint32_t lane, std::uint32_t r, std::uint32_t i,
                       std::uint32_t per_register) {
  return {lane % 4 * per_register + i + 4 * per_register * r, lane / 4};
}

Position position_of_c(std::uint32_t lane, std::uint32_t e) {
  return {lane / 4 + 8 * (e / 2), lane % 4 * 2 + e % 2};
}

template <typename Number>
struct Matrices {
  Number a[kMaxM][kMaxK];
  Number b[kMaxK][kMaxN];
  Number c[kMaxM][kMaxN];
  bool undefined = false;
  bool a_undefined[kMaxM] = {};   // by row
  bool b_undefined[kMaxN] = {};   // by column
  bool c_undefined[kMaxM][kMaxN] = {};
  std::uint32_t origin = 0;
};

/// The element at bit `shift` of a register in each lane.
template <Type kType, typename Number>
void convert_lanes(const std::byte* values, std::uint32_t shift, Number* out) {
  using Word = std::conditional_t<kType == Type::kF64, std::uint64_t, std::uint32_t>;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    Word word;
    std::memcpy(&word, values + lane * sizeof(Word), sizeof(Word));
    out[lane] = element<Number>(kType, word >> shift);
  }
}

template <typename Number>
void convert_lanes(Type type, const std::byte* values, std::uint32_t shift, Number* out) {
  switch (type) {
    case Type::kF16: return convert_lanes<Type::kF16>(values, shift, out);
    case Type::kBf16: return convert_lanes<Type::kBf16>(values, shift, out);
    case Type::kTf32: return convert_lanes<Type::kTf32>(values, shift, out);
    case Type::kF32: return convert_lanes<Type::kF32>(values, shift, out);
    case Type::kF64: return convert_lanes<Type::kF64>(values, shift, out);
    case Type::kS8: return convert_lanes<Type::kS8>(values, shift, out);
    case Type::kU8: return convert_lanes<Type::kU8>(values, shift, out);
    default: return convert_lanes<Type::kS32>(values, shift, out);
  }
}

/// Reads a matrix from its registers. `position(lane, r, i, per_register)` says where an element
/// lies, `number(at)` is its place and `mark(at)` notes that it is undefined.
template <typename Number, typename Locate, typename Place, typename Mark>
void gather(Warp& warp, const Op& op, std::uint32_t first, std::uint32_t count, Type type,
            Matrices<Number>& matrices, Locate position, Place number, Mark mark) {
  const std::uint32_t bits = bits_of_element(type);
  for (std::uint32_t r = 0; r < count; ++r) {
    const Operand& operand = op.operands[first + r];
    const std::byte* values = warp.lanes_of<std::byte>(operand);
    const std::uint32_t per_register = 8 * operand.bytes / bits;
    for (std::uint32_t i = 0; i < per_register; ++i) {
      Number elements[kLanes];
      convert_lanes(type, values, bits * i, elements);
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        number(position(lane, r, i, per_register)) = elements[lane];
      }
    }
    const LaneMask undefined = warp.undefined_lanes(operand, kAllLanes);
    if (undefined == 0) continue;
    matrices.undefined = true;
    matrices.origin = warp.origin_of(operand);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      if ((undefined >> lane & 1) == 0) continue;
      for (std::uint32_t i = 0; i < per_register; ++i) mark(position(lane, r, i, per_register));
    }
  }
}

template <typename Number>
void gather_all(Warp& warp, const Op& op, const MmaForm& form, Matrices<Number>& matrices) {
  const std::uint32_t a_first = form.registers[0];
  const std::uint32_t b_first = a_first + form.registers[1];
  const std::uint32_t c_first = b_first + form.registers[2];
  gather<Number>(
      warp, op, a_first, form.registers[1], form.a, matrices,
      [&form](auto... where) { return position_of_a(form, where...); },
      [&](Position at) -> Number& { return matrices.a[at.row][at.column]; },
      [&](Position at) { matrices.a_undefined[at.row] = true; });
  gather<Number>(
      warp, op, b_first, form.registers[2], form.b, matrices, position_of_b,
      [&](Position at) -> Number& { return matrices.b[at.row][at.column]; },
      [&](Position at) { matrices.b_undefined[at.column] = true; });
  gather<Number>(
      warp, op, c_first, form.registers[3], form.c, matrices,
      [](std::uint32_t lane, std::uint32_t r, std::uint32_t i, std::uint32_t per_register) {
        return position_of_c(lane, r * per_register + i);
      },
      [&](Position at) -> Number& { return matrices.c[at.row][at.column]; },
      [&](Position at) { matrices.c_undefined[at.row][at.column] = true; });
}

template <typename Number>
Number multiply_add(Number a, Number b, Number c) {
  if constexpr (std::is_floating_point_v<Number>) {
    return std::fma(a, b, c);
  } else {
    // Sums wrap around where they are not saturated.
    using U = std::make_unsigned_t<Number>;
    return static_cast<Number>(static_cast<U>(c) + static_cast<U>(a) * static_cast<U>(b));
  }
}

std::uint64_t stored(const MmaForm& form, double value) {
  if (std::isnan(value) && form.d != Type::kF64) {
    return form.d == Type::kF16 ? Half::kNan : kNanSingle;
  }
  if (form.d == Type::kF16) return Half::round(value).bits;
  if (form.d == Type::kF64) return std::bit_cast<std::uint64_t>(value);
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}
std::uint64_t stored(const MmaForm& form, std::int64_t value) {
  if (form.saturate) value = std::clamp<std::int64_t>(value, INT32_MIN, INT32_MAX);
  return static_cast<std::uint32_t>(value);
}

template <typename Number>
void multiply(const MmaForm& form, Matrices<Number>& matrices) {
  for (std::uint32_t m = 0; m < form.m; ++m) {
    Number* row = matrices.c[m];
    for (std::uint32_t k = 0; k < form.k; ++k) {
      const Number left = matrices.a[m][k];
      for (std::uint32_t n = 0; n < kMaxN; ++n) {
        row[n] = multiply_add(left, matrices.b[k][n], row[n]);
      }
    }
  }
}

template <typename Number>
void scatter(Warp& warp, const Op& op, const MmaForm& form, const Matrices<Number>& matrices) {
  using Wide = std::conditional_t<std::is_floating_point_v<Number>, double, std::int64_t>;
  const std::uint32_t bits = bits_of_element(form.d);
  for (std::uint32_t r = 0; r < form.registers[0]; ++r) {
    const Operand& to = op.operands[r];
    const std::uint32_t per_register = 8 * to.bytes / bits;
    LaneMask undefined = 0;
    std::byte* values = warp.lanes_of<std::byte>(to);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::uint64_t word = 0;
      for (std::uint32_t i = 0; i < per_register; ++i) {
        const Position at = position_of_c(lane, r * per_register + i);
        word |= stored(form, static_cast<Wide>(matrices.c[at.row][at.column])) << (bits * i);
        if (!matrices.undefined) continue;
        const bool any = matrices.a_undefined[at.row] || matrices.b_undefined[at.column] ||
                         matrices.c_undefined[at.row][at.column];
        undefined |= LaneMask{any} << lane;
      }
      std::memcpy(values + lane * to.bytes, &word, to.bytes);
    }
    warp.mark_defined(to, kAllLanes);
    if (undefined != 0) warp.mark_undefined(to, undefined, matrices.origin);
  }
}

template <typename Number>
Flow run_mma(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  require_whole_warp(warp, op, mask);
  const auto& form = *static_cast<const MmaForm*>(op.detail);
  Matrices<Number> matrices;
  gather_all(warp, op, form, matrices);
  multiply(form, matrices);
  scatter(warp, op, form, matrices);
  warp.block().counters().at(warp.pc()).multiply_adds += form.m * form.n * form.k;
  return Flow::kNext;
}

/// m8n8k4 with f16: the lanes 4 q … 4 q + 3 and 16 + 4 q … of a quad pair q make one 8×8×4 product.
Flow run_quad_pairs(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  require_whole_warp(warp, op, mask);
  const auto& form = *static_cast<const MmaForm*>(op.detail);
  const std::uint32_t a_first = form.registers[0];
  const std::uint32_t b_first = a_first + form.registers[1];
  const std::uint32_t c_first = b_first + form.registers[2];
  const auto half_at = [&](std::uint32_t first, std::uint32_t lane, std::uint32_t i) {
    const std::uint32_t word = warp.lanes_of<std::uint32_t>(op.operands[first + i / 2])[lane];
    return Half{static_cast<std::uint16_t>(word >> (16 * (i % 2)))}.value();
  };
  const auto position = [&](Type type, std::uint32_t lane, std::uint32_t i) -> Position {
    const std::uint32_t upper = lane >= 16 ? 4 : 0;
    if (type == Type::kF16) return {lane % 4 + upper, i};
    return {(lane & 1) + (i & 2) + upper, (i & 4) + (lane & 2) + (i & 1)};
  };
  std::uint32_t results[8][kLanes] = {};
  LaneMask undefined = 0;
  std::uint32_t origin = 0;
  for (std::size_t i = form.registers[0]; i < op.operands.size(); ++i) {
    const LaneMask found = warp.undefined_lanes(op.operands[i], kAllLanes);
    if (found != 0) origin = warp.origin_of(op.operands[i]);
    undefined |= found;
  }
  for (std::uint32_t q = 0; q < 4; ++q) {
    float a[8][4];
    float b[4][8];
    float c[8][8];
    for (std::uint32_t j = 0; j < 8; ++j) {
      const std::uint32_t lane = 4 * q + j % 4 + (j < 4 ? 0 : 16);
      const std::uint32_t upper = j < 4 ? 0 : 4;
      for (std::uint32_t i = 0; i < 4; ++i) {
        if (form.a_row) a[lane % 4 + upper][i] = half_at(a_first, lane, i);
        else a[i + upper][lane % 4] = half_at(a_first, lane, i);
        if (form.b_row) b[lane % 4][i + upper] = half_at(b_first, lane, i);
        else b[i][lane % 4 + upper] = half_at(b_first, lane, i);
      }
      for (std::uint32_t i = 0; i < 8; ++i) {
        const Position at = position(form.c, lane, i);
        c[at.row][at.column] =
            form.c == Type::kF16
                ? half_at(c_first, lane, i)
                : warp.lanes_of<float>(op.operands[c_first + i])[lane];
      }
    }
    for (auto& row : c) {
      const auto m = &row - c;
      for (std::uint32_t n = 0; n < 8; ++n) {
        for (std::uint32_t k = 0; k < 4; ++k) row[n] = std::fma(a[m][k], b[k][n], row[n]);
      }
    }
    for (std::uint32_t j = 0; j < 8; ++j) {
      const std::uint32_t lane = 4 * q + j % 4 + (j < 4 ? 0 : 16);
      for (std::uint32_t i = 0; i < 8; ++i) {
        const Position at = position(form.d, lane, i);
        const float value = c[at.row][at.column];
        if (form.d == Type::kF16) {
          results[i / 2][lane] |= std::uint32_t{Half::round(value).bits} << (16 * (i % 2));
        } else {
          results[i][lane] = std::bit_cast<std::uint32_t>(value);
        }
      }
    }
  }
  for (std::uint32_t r = 0; r < form.registers[0]; ++r) {
    write_lanes(warp, op.operands[r], kAllLanes, results[r]);
    warp.mark_defined(op.operands[r], kAllLanes);
    for (std::uint32_t q = 0; q < 4; ++q) {
      const LaneMask those = 0x000F'000Fu << (4 * q);
      if ((undefined & those) != 0) warp.mark_undefined(op.operands[r], those, origin);
    }
  }
  warp.block().counters().at(warp.pc()).multiply_adds += 4 * 8 * 8 * 4;
  return Flow::kNext;
}

struct Shape {
  std::string_view name;
  std::uint32_t m, n, k;
};
constexpr Shape kShapes[] = {
    {"m8n8k4", 8, 8, 4},     {"m16n8k4", 16, 8, 4},   {"m16n8k8", 16, 8, 8},
    {"m16n8k16", 16, 8, 16}, {"m8n8k16", 8, 8, 16},   {"m16n8k32", 16, 8, 32},
};

bool is_byte(Type type) { return type == Type::kS8 || type == Type::kU8; }

/// Which shapes a type has, and from which architecture on (PTX ISA, the table of mma's shapes).
std::uint32_t needed_target(const MmaForm& form) {
  const auto shape = std::make_tuple(form.m, form.n, form.k);
  const auto is = [&](std::uint32_t m, std::uint32_t n, std::uint32_t k) {
    return shape == std::make_tuple(m, n, k);
  };
  switch (form.a) {
    case Type::kF16:
      if (is(8, 8, 4)) return 70;
      if (is(16, 8, 8)) return 75;
      if (is(16, 8, 16)) return 80;
      return 0;
    case Type::kBf16: return is(16, 8, 8) || is(16, 8, 16) ? 80 : 0;
    case Type::kTf32: return is(16, 8, 4) || is(16, 8, 8) ? 80 : 0;
    case Type::kF64:
      if (is(8, 8, 4)) return 80;
      return is(16, 8, 4) || is(16, 8, 8) || is(16, 8, 16) ? 90 : 0;
    case Type::kS8:
    case Type::kU8:
      if (is(8, 8, 16)) return 75;
      return is(16, 8, 16) || is(16, 8, 32) ? 80 : 0;
    default: return 0;
  }
}

void check_types(Builder& b, const MmaForm& form) {
  const std::uint32_t target = needed_target(form);
  if (target == 0) b.fail("Expected another shape or type of mma");
  b.require_target(target);
  const bool integers = is_byte(form.a);
  const bool inputs = integers ? is_byte(form.b) : form.a == form.b;
  const bool accumulators =
      integers                ? form.c == Type::kS32 && form.d == Type::kS32
      : form.a == Type::kF64  ? form.c == Type::kF64 && form.d == Type::kF64
      : form.a == Type::kF16  ? (form.c == Type::kF16 || form.c == Type::kF32) &&
                                   (form.d == Type::kF16 || form.d == Type::kF32)
                              : form.c == Type::kF32 && form.d == Type::kF32;
  if (!inputs || !accumulators) b.fail("Expected other types of mma");
}

std::uint32_t register_count(std::uint32_t rows, std::uint32_t columns, Type type) {
  return rows * columns * bits_of_element(type) / (kLanes * 8 * register_bytes(type));
}

void decode_mma(Builder& b) {
  if (!b.accept("sync") || !b.accept("aligned")) b.fail("Expected mma.sync.aligned");
  MmaForm& form = b.detail<MmaForm>();
  const Shape& shape = kShapes[b.expect_one(
      {"m8n8k4", "m16n8k4", "m16n8k8", "m16n8k16", "m8n8k16", "m16n8k32"})];
  form.m = shape.m;
  form.n = shape.n;
  form.k = shape.k;
  form.a_row = b.expect_one({"row", "col"}) == 0;
  form.b_row = b.expect_one({"row", "col"}) == 0;
  form.saturate = b.accept("satfinite");
  form.d = b.expect_type();
  form.a = b.expect_type();
  form.b = b.expect_type();
  form.c = b.expect_type();
  check_types(b, form);
  form.quad_pairs = form.k == 4 && form.a == Type::kF16;
  if (!form.quad_pairs && (!form.a_row || form.b_row)) b.fail("Expected .row.col");
  const std::uint32_t pairs = form.quad_pairs ? 4 : 1;  // every quad pair has matrices of its own
  form.registers[0] = register_count(pairs * form.m, form.n, form.d);
  form.registers[1] = register_count(pairs * form.m, form.k, form.a);
  form.registers[2] = register_count(pairs * form.k, form.n, form.b);
  form.registers[3] = register_count(pairs * form.m, form.n, form.c);
  const Type types[4] = {form.d, form.a, form.b, form.c};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<ptx::Operand> parts = b.parts_of(b.operand(i));
    if (parts.size() != form.registers[i]) {
      b.fail("Expected " + std::to_string(form.registers[i]) + " registers but received " +
             std::to_string(parts.size()));
    }
    const std::uint32_t bytes = register_bytes(types[i]);
    for (const ptx::Operand& part : parts) {
      if (i == 0) b.destination(part, bytes);
      else b.source(part, bytes == 8 ? Type::kF64 : types[i] == Type::kF32 ? Type::kF32
                                                                           : Type::kB32);
    }
    if (i == 0) b.end_destinations();
  }
  b.op().op_class = OpClass::kTensor;
  b.op().tensor_type = form.a;
  b.op().has_effects = true;
  b.op().execute = form.quad_pairs        ? &run_quad_pairs
                   : is_byte(form.a)      ? &run_mma<std::int32_t>
                   : form.a == Type::kF64 ? &run_mma<double>
                                          : &run_mma<float>;
  // Saturation needs to see the sum before it wraps.
  if (is_byte(form.a) && form.saturate) b.op().execute = &run_mma<std::int64_t>;
}

}  // namespace

std::span<const Entry> mma_instructions() {
  static constexpr Entry kEntries[] = {{"mma", decode_mma}};
  return kEntries;
}

}  // namespace virtual_gpu::isa
