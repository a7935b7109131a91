// ldmatrix, stmatrix and movmatrix (PTX ISA, the sections named so): 8×8 matrices of 16-bit
// elements between shared memory and the fragments of mma. With g = lane / 4, t = lane % 4, a lane
// has elements 2 t and 2 t + 1 of row g, or with .trans of column g.
#include <bit>
#include <cstring>
#include <string>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "machine/access.h"
#include "machine/block.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;
using ptx::Type;

constexpr std::uint32_t kSide = 8;
constexpr std::uint32_t kRowBytes = 16;
constexpr std::uint32_t kElementBytes = 2;

struct MatrixForm : Detail {
  std::uint32_t count = 1;
  bool transposed = false;
  Space space = Space::kShared;
};

struct Element {
  std::uint32_t row, column;
};

Element element_of(std::uint32_t lane, std::uint32_t half, bool transposed) {
  const std::uint32_t along = lane % 4 * 2 + half;
  return transposed ? Element{along, lane / 4} : Element{lane / 4, along};
}

/// The rows of all matrices: lane 8 j + r gives the address of row r of matrix j.
void resolve_rows(Warp& warp, const Op& op, const MatrixForm& form, Access access,
                  const Operand& base, LaneBytes (&rows)[kLanes]) {
  const LaneMask givers =
      form.count == 4 ? kAllLanes : (LaneMask{1} << (kSide * form.count)) - 1;
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, base, givers, addresses);
  resolve(warp, op, givers,
          {.space = form.space, .access = access, .bytes = kRowBytes, .addresses = addresses,
           .counted = true, .collective = true},
          rows);
}

Flow run_ldmatrix(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  const auto& form = *static_cast<const MatrixForm*>(op.detail);
  LaneBytes rows[kLanes];
  resolve_rows(warp, op, form, Access::kRead, op.operands[form.count], rows);
  for (std::uint32_t j = 0; j < form.count; ++j) {
    std::uint32_t values[kLanes];
    std::uint32_t undefined[kLanes];
    std::uint32_t any = 0;
    std::uint32_t origin = 0;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      values[lane] = 0;
      undefined[lane] = 0;
      for (std::uint32_t half = 0; half < 2; ++half) {
        const Element at = element_of(lane, half, form.transposed);
        const LaneBytes& row = rows[kSide * j + at.row];
        std::uint16_t value;
        std::memcpy(&value, row.data + kElementBytes * at.column, kElementBytes);
        values[lane] |= std::uint32_t{value} << (16 * half);
        if (row.defined == nullptr) continue;
        std::uint16_t defined;
        std::memcpy(&defined, row.defined + kElementBytes * at.column, kElementBytes);
        const std::uint32_t bits = static_cast<std::uint16_t>(~defined);
        if (bits != 0 && origin == 0) origin = memory_origin(warp, row);
        undefined[lane] |= bits << (16 * half);
      }
      any |= undefined[lane];
    }
    write_lanes(warp, op.operands[j], mask, values);
    if (any != 0) write_undefined(warp, op.operands[j], mask, undefined, origin);
    else warp.mark_defined(op.operands[j], mask);
  }
  return Flow::kNext;
}

Flow run_stmatrix(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  const auto& form = *static_cast<const MatrixForm*>(op.detail);
  LaneBytes rows[kLanes];
  resolve_rows(warp, op, form, Access::kWrite, op.operands[0], rows);
  for (std::uint32_t j = 0; j < form.count; ++j) {
    const Operand& from = op.operands[1 + j];
    const std::uint32_t* values = warp.lanes_of<std::uint32_t>(from);
    const std::uint32_t* undefined = undefined_or_null<std::uint32_t>(warp, from);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      for (std::uint32_t half = 0; half < 2; ++half) {
        const Element at = element_of(lane, half, form.transposed);
        const LaneBytes& row = rows[kSide * j + at.row];
        const auto value = static_cast<std::uint16_t>(values[lane] >> (16 * half));
        std::memcpy(row.data + kElementBytes * at.column, &value, kElementBytes);
        const auto bits = static_cast<std::uint16_t>(
            undefined == nullptr ? 0 : undefined[lane] >> (16 * half));
        const auto defined = static_cast<std::uint16_t>(~bits);
        std::memcpy(row.defined + kElementBytes * at.column, &defined, kElementBytes);
      }
    }
  }
  warp.block().note_progress();
  return Flow::kNext;
}

void decode_form(Builder& b, MatrixForm& form) {
  if (!b.accept("sync") || !b.accept("aligned")) b.fail("Expected .sync.aligned");
  if (!b.accept("m8n8")) b.fail("Expected .m8n8");
  form.count = 1u << b.expect_one({"x1", "x2", "x4"});
  form.transposed = b.accept("trans");
  form.space = b.accept_space().value_or(Space::kGeneric);
  if (b.expect_type() != Type::kB16) b.fail("Expected .b16");
  b.op().op_class = OpClass::kMatrixLoad;
  b.op().has_effects = true;
  b.note_access(ptx::Space::kShared, kElementBytes * 2);
}

void decode_ldmatrix(Builder& b) {
  b.require_target(75);
  MatrixForm& form = b.detail<MatrixForm>();
  decode_form(b, form);
  b.op().execute = &run_ldmatrix;
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  if (results.size() != form.count) b.fail("Expected a register for each matrix");
  for (const ptx::Operand& result : results) b.destination(result, 4);
  b.end_destinations();
  b.memory_address(b.operand(1));
}

void decode_stmatrix(Builder& b) {
  b.require_target(90);
  MatrixForm& form = b.detail<MatrixForm>();
  decode_form(b, form);
  b.op().execute = &run_stmatrix;
  b.memory_address(b.operand(0));
  const std::vector<ptx::Operand> values = b.parts_of(b.operand(1));
  if (values.size() != form.count) b.fail("Expected a register for each matrix");
  for (const ptx::Operand& value : values) b.source(value, Type::kB32);
}

/// movmatrix.sync.aligned.m8n8.trans.b16 d, a: a matrix across the warp, transposed.
Flow run_movmatrix(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  const std::uint32_t* from = warp.lanes_of<std::uint32_t>(op.operands[1]);
  const std::uint32_t* bits = undefined_or_null<std::uint32_t>(warp, op.operands[1]);
  const std::uint32_t origin = bits != nullptr ? warp.origin_of(op.operands[1]) : 0;
  std::uint32_t values[kLanes] = {};
  std::uint32_t undefined[kLanes] = {};
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    for (std::uint32_t half = 0; half < 2; ++half) {
      const Element at = element_of(lane, half, true);
      const std::uint32_t source = at.row * 4 + at.column / 2;
      const std::uint32_t shift = 16 * (at.column % 2);
      values[lane] |= (from[source] >> shift & 0xFFFF) << (16 * half);
      if (bits != nullptr) undefined[lane] |= (bits[source] >> shift & 0xFFFF) << (16 * half);
    }
  }
  write_lanes(warp, op.operands[0], mask, values);
  write_undefined(warp, op.operands[0], mask, undefined, origin);
  return Flow::kNext;
}

void decode_movmatrix(Builder& b) {
  b.require_target(75);
  if (!b.accept("sync") || !b.accept("aligned") || !b.accept("m8n8") || !b.accept("trans")) {
    b.fail("Expected movmatrix.sync.aligned.m8n8.trans");
  }
  b.expect_type();
  b.op().execute = &run_movmatrix;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  b.destination(b.operand(0), 4);
  b.end_destinations();
  b.source(b.operand(1), Type::kB32);
}

}  // namespace

std::span<const Entry> ldmatrix_instructions() {
  static constexpr Entry kEntries[] = {
      {"ldmatrix", decode_ldmatrix},
      {"stmatrix", decode_stmatrix},
      {"movmatrix", decode_movmatrix},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
