// cp.async and its groups (PTX ISA, "cp.async", "cp.async.commit_group", "cp.async.wait_group").
#include <bit>
#include <string>

#include "isa/lanes.h"
#include "isa/mbarrier.h"
#include "isa/registry.h"
#include "machine/access.h"
#include "machine/async_copies.h"
#include "machine/block.h"
#include "machine/traffic.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;
using ptx::Type;

struct CopyForm : Detail {
  std::uint32_t bytes = 16;
  bool has_source_bytes = false;
  bool has_ignore = false;          // a predicate: take zeros instead
  std::int64_t source_offset = 0;
};

/// The source: in bounds and aligned to the whole copy, whatever part of it is read.
void check_source(Warp& warp, const Op& op, LaneMask mask, const std::uint64_t* from,
                  const std::uint32_t* source_bytes, std::uint32_t bytes) {
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    if (from[lane] % bytes != 0) {
      warp.fault(HazardKind::kMisaligned, op, lane,
                 "the source of a copy of " + std::to_string(bytes) + " bytes", &from[lane]);
    }
  }
  // Lanes that read the same number of bytes are looked up together.
  while (mask != 0) {
    const std::uint32_t size = source_bytes[std::countr_zero(mask)];
    LaneMask same = 0;
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const int lane = std::countr_zero(left);
      if (source_bytes[lane] == size) same |= 1u << lane;
    }
    LaneBytes lanes[kLanes];
    resolve(warp, op, same,
            {.space = Space::kGlobal, .access = Access::kRead, .bytes = size, .addresses = from,
             .aligned = false},
            lanes);
    mask &= ~same;
  }
}

void check_destination(Warp& warp, const Op& op, LaneMask mask, const std::uint64_t* to,
                       std::uint32_t bytes) {
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const bool inside = to[lane] >= kSharedBase &&
                        to[lane] - kSharedBase + bytes <= warp.block().shared().bytes();
    if (!inside) {
      warp.fault(HazardKind::kOutOfBounds, op, lane,
                 "the destination of an asynchronous copy, of shared memory that the block has " +
                     std::to_string(warp.block().shared().bytes()) + " bytes of",
                 &to[lane]);
    }
    if (to[lane] % bytes != 0) {
      warp.fault(HazardKind::kMisaligned, op, lane,
                 "the destination of a copy of " + std::to_string(bytes) + " bytes", &to[lane]);
    }
  }
  std::uint64_t offsets[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) offsets[lane] = to[lane] - kSharedBase;
  count_wavefronts(warp.block().counters().at(warp.pc()), mask, offsets, bytes);
}

/// Operands: destination, source, [source bytes or predicate].
Flow run_copy(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const CopyForm*>(op.detail);
  std::uint64_t to[kLanes];
  std::uint64_t from[kLanes];
  read_addresses(warp, op, op.operands[0], mask, to);
  const Operand& source = op.operands[1];
  warp.require_defined(op, source, mask, "as an address");
  LaneMask reads = mask;
  std::uint32_t source_bytes[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t base = source.bytes == 4 ? warp.lanes_of<std::uint32_t>(source)[lane]
                                                 : warp.lanes_of<std::uint64_t>(source)[lane];
    from[lane] = base + static_cast<std::uint64_t>(form.source_offset);
    source_bytes[lane] = form.bytes;
  }
  if (form.has_source_bytes) {
    warp.require_defined(op, op.operands[2], mask, "as the size of a copy");
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      source_bytes[lane] = warp.lanes_of<std::uint32_t>(op.operands[2])[lane];
      if ((mask >> lane & 1) != 0 && source_bytes[lane] > form.bytes) {
        warp.fault(HazardKind::kInvalidInstruction, op, lane,
                   "a copy of " + std::to_string(form.bytes) + " bytes takes " +
                       std::to_string(source_bytes[lane]) + " from its source");
      }
    }
  }
  if (form.has_ignore) {
    warp.require_defined(op, op.operands[2], mask, "as a copy's predicate");
    LaneMask ignored = warp.predicate(op.operands[2]);
    if (op.operands[2].negated) ignored = ~ignored;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      if ((ignored >> lane & 1) != 0) source_bytes[lane] = 0;
    }
  }
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if (source_bytes[lane] == 0) reads &= ~(1u << lane);
  }
  check_destination(warp, op, mask, to, form.bytes);
  check_source(warp, op, reads, from, source_bytes, form.bytes);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    warp.block().copies().start(warp, op, lane,
                                {.to = static_cast<std::uint32_t>(to[lane] - kSharedBase),
                                 .bytes = form.bytes,
                                 .source_bytes = source_bytes[lane],
                                 .from = from[lane],
                                 .seen = {}});
  }
  return Flow::kNext;
}

void decode_copy(Builder& b) {
  b.require_target(80);
  CopyForm& form = b.detail<CopyForm>();
  const bool bypass = b.expect_one({"ca", "cg"}) == 1;
  if (!b.accept_one({"shared", "shared::cta"})) b.fail("Expected .shared");
  if (!b.accept("global")) b.fail("Expected .global");
  b.accept_one({"L2::cache_hint"});
  b.accept_one({"L2::64B", "L2::128B", "L2::256B"});
  form.bytes = static_cast<std::uint32_t>(b.integer(b.operand(2)));
  const bool known = form.bytes == 16 || (!bypass && (form.bytes == 4 || form.bytes == 8));
  if (!known) b.fail("Expected a copy of 4, 8 or 16 bytes, with .cg of 16");
  b.op().execute = &run_copy;
  b.op().op_class = OpClass::kAsyncCopy;
  b.op().has_effects = true;
  const Address to = b.address(b.operand(0));
  const Address from = b.address(b.operand(1));
  b.op().immediate = to.offset;
  form.source_offset = from.offset;
  b.add(to.base);
  b.add(from.base);
  if (b.operand_count() > 3) {
    const ptx::Operand& third = b.operand(3);
    const Symbol* symbol =
        third.kind == ptx::OperandKind::kName ? b.find_symbol(third.name) : nullptr;
    if (symbol != nullptr && symbol->operand.bytes == 0) {
      form.has_ignore = true;
      b.predicate_source(third);
    } else if (symbol == nullptr || symbol->operand.bytes == 4) {
      form.has_source_bytes = true;
      b.source(third, Type::kU32);
    }  // a register of 64 bits is a cache policy
  }
}

Flow run_commit(Warp& warp, const Op&, LaneMask mask) {
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    warp.block().copies().commit(warp, static_cast<std::uint32_t>(std::countr_zero(left)));
  }
  return Flow::kNext;
}

/// `variant`: 1 for wait_all. `immediate`: how many groups may be under way.
Flow run_wait(Warp& warp, const Op& op, LaneMask mask) {
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    warp.block().copies().wait(warp, op, static_cast<std::uint32_t>(std::countr_zero(left)),
                               static_cast<std::uint32_t>(op.immediate), op.variant == 1);
  }
  return Flow::kNext;
}

void decode_cp(Builder& b) {
  if (!b.accept("async")) b.fail("Expected cp.async");
  b.require_target(80);
  b.op().op_class = OpClass::kAsyncWait;
  if (b.accept("commit_group")) {
    b.op().op_class = OpClass::kAsyncCopy;
    b.op().execute = &run_commit;
  } else if (b.accept("mbarrier")) {
    return mbarrier::decode_arrive_after_copies(b);
  } else if (b.accept("wait_all")) {
    b.op().execute = &run_wait;
    b.op().variant = 1;
  } else if (b.accept("wait_group")) {
    b.op().execute = &run_wait;
    b.op().immediate = b.integer(b.operand(0));
  } else {
    return decode_copy(b);
  }
  b.op().has_effects = true;
}

}  // namespace

std::span<const Entry> async_copy_instructions() {
  static constexpr Entry kEntries[] = {{"cp", decode_cp}};
  return kEntries;
}

}  // namespace virtual_gpu::isa
