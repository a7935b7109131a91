// mbarrier in shared memory (PTX ISA, "mbarrier.init" to "mbarrier.pending_count"), without the
// transaction counts and clusters of sm_90.
#include <bit>
#include <string>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "machine/access.h"
#include "machine/block.h"
#include "machine/mbarriers.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;
using ptx::Type;

constexpr std::uint32_t kStateBytes = 8;

struct MbarrierForm : Detail {
  Space space = Space::kGeneric;
  bool drop = false;
  bool no_complete = false;
  bool parity = false;
  bool has_count = false;
  bool has_token = false;   // arrive's result is wanted
  bool counted = false;     // .noinc of cp.async.mbarrier.arrive
};

/// The lane's barrier as an offset in shared memory; a strong access of it, or for init a weak one.
void offsets_of(Warp& warp, const Op& op, LaneMask mask, Space space, const Operand& base,
                Access access, std::uint32_t (&offsets)[kLanes]) {
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, base, mask, addresses);
  LaneBytes lanes[kLanes];
  resolve(warp, op, mask,
          {.space = space, .access = access, .bytes = kStateBytes, .addresses = addresses},
          lanes);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (lanes[lane].space != Space::kShared) {
      warp.fault(HazardKind::kInvalidInstruction, op, static_cast<std::uint32_t>(lane),
                 "an mbarrier that is not in shared memory", &addresses[lane]);
    }
    offsets[lane] = static_cast<std::uint32_t>(lanes[lane].address);
  }
}

void require_valid(Warp& warp, const Op& op, std::uint32_t lane, std::uint32_t offset) {
  if (warp.block().mbarriers().state(offset).valid) return;
  warp.fault(HazardKind::kInvalidInstruction, op, lane, "an mbarrier that is not initialized");
}

Flow run_init(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const MbarrierForm*>(op.detail);
  std::uint32_t offsets[kLanes];
  offsets_of(warp, op, mask, form.space, op.operands[0], Access::kWrite, offsets);
  warp.require_defined(op, op.operands[1], mask, "as an mbarrier's count");
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const std::uint32_t count = warp.lanes_of<std::uint32_t>(op.operands[1])[lane];
    if (count == 0 || count > kMaxArrivals) {
      warp.fault(HazardKind::kInvalidInstruction, op, lane,
                 "an mbarrier of " + std::to_string(count) + " arrivals");
    }
    warp.block().mbarriers().init(offsets[lane], count);
  }
  return Flow::kNext;
}

Flow run_inval(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const MbarrierForm*>(op.detail);
  std::uint32_t offsets[kLanes];
  offsets_of(warp, op, mask, form.space, op.operands[0], Access::kWrite, offsets);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    require_valid(warp, op, lane, offsets[lane]);
    warp.block().mbarriers().invalidate(offsets[lane]);
  }
  return Flow::kNext;
}

/// Operands: token (perhaps the sink), address, [count].
Flow run_arrive(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const MbarrierForm*>(op.detail);
  Mbarriers& mbarriers = warp.block().mbarriers();
  std::uint32_t offsets[kLanes];
  offsets_of(warp, op, mask, form.space, op.operands[1], Access::kAtomic, offsets);
  if (form.has_count) warp.require_defined(op, op.operands[2], mask, "as a count of arrivals");
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const std::uint32_t count =
        form.has_count ? warp.lanes_of<std::uint32_t>(op.operands[2])[lane] : 1;
    require_valid(warp, op, lane, offsets[lane]);
    const MbarrierState before = mbarriers.state(offsets[lane]);
    if (form.no_complete && count >= before.pending) {
      warp.fault(HazardKind::kInvalidInstruction, op, lane,
                 "an arrival with .noComplete that completes the phase");
    }
    if (!mbarriers.arrive(warp, offsets[lane], count, form.drop)) {
      warp.fault(HazardKind::kInvalidInstruction, op, lane,
                 std::to_string(count) + " arrivals at an mbarrier that expects " +
                     std::to_string(before.pending) + " more");
    }
    warp.lanes_of<std::uint64_t>(op.operands[0])[lane] = before.pack();
  }
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

/// Operands: predicate, address, token or parity. try_wait does not suspend here: it may always
/// return early.
Flow run_wait(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const MbarrierForm*>(op.detail);
  std::uint32_t offsets[kLanes];
  offsets_of(warp, op, mask, form.space, op.operands[1], Access::kAtomic, offsets);
  warp.require_defined(op, op.operands[2], mask, "as an mbarrier's phase");
  LaneMask passed = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    require_valid(warp, op, lane, offsets[lane]);
    const std::uint32_t phase =
        form.parity
            ? warp.lanes_of<std::uint32_t>(op.operands[2])[lane]
            : MbarrierState::unpack(warp.lanes_of<std::uint64_t>(op.operands[2])[lane]).phase;
    const bool done =
        warp.block().mbarriers().passed(warp, op, offsets[lane], phase, form.parity);
    passed |= LaneMask{done} << lane;
  }
  LaneMask& to = warp.predicate(op.operands[0]);
  to = (to & ~mask) | passed;
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

Flow run_pending_count(Warp& warp, const Op& op, LaneMask mask) {
  warp.require_defined(op, op.operands[1], mask, "as an mbarrier's state");
  const std::uint64_t* tokens = warp.lanes_of<std::uint64_t>(op.operands[1]);
  std::uint32_t result[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    result[lane] = MbarrierState::unpack(tokens[lane]).pending;
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

Flow run_arrive_after_copies(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const MbarrierForm*>(op.detail);
  std::uint32_t offsets[kLanes];
  offsets_of(warp, op, mask, form.space, op.operands[0], Access::kAtomic, offsets);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    require_valid(warp, op, lane, offsets[lane]);
    warp.block().mbarriers().arrive_after_copies(warp, lane, offsets[lane], form.counted);
  }
  return Flow::kNext;
}

void read_semantics(Builder& b, MbarrierForm& form) {
  while (true) {
    if (b.accept("noComplete")) form.no_complete = true;
    else if (b.accept("parity")) form.parity = true;
    else if (!b.accept_one({"release", "acquire", "relaxed", "cta"})) break;
  }
  form.space = b.accept_space().value_or(Space::kGeneric);
  if (b.expect_type() != Type::kB64) b.fail("Expected .b64");
}

void decode_mbarrier(Builder& b) {
  b.require_target(80);
  MbarrierForm& form = b.detail<MbarrierForm>();
  const std::size_t verb = b.expect_one(
      {"init", "inval", "arrive", "arrive_drop", "test_wait", "try_wait", "pending_count"});
  form.drop = verb == 3;
  read_semantics(b, form);
  b.op().op_class = OpClass::kBarrier;
  b.op().has_effects = true;
  b.note_access(Space::kShared, 4);
  switch (verb) {
    case 0:
      b.op().execute = &run_init;
      b.memory_address(b.operand(0));
      b.source(b.operand(1), Type::kU32);
      return;
    case 1:
      b.op().execute = &run_inval;
      b.memory_address(b.operand(0));
      return;
    case 2:
    case 3:
      b.op().execute = &run_arrive;
      b.destination(b.operand(0), kStateBytes);
      b.end_destinations();
      b.memory_address(b.operand(1));
      form.has_count = b.operand_count() > 2;
      if (form.has_count) b.source(b.operand(2), Type::kU32);
      return;
    case 4:
    case 5:
      b.op().execute = &run_wait;
      b.op().op_class = OpClass::kAsyncWait;
      b.predicate_destination(b.operand(0));
      b.end_destinations();
      b.memory_address(b.operand(1));
      b.source(b.operand(2), form.parity ? Type::kU32 : Type::kB64);
      if (verb == 5 && b.operand_count() > 3) b.source(b.operand(3), Type::kU32);
      return;
    default:
      b.op().execute = &run_pending_count;
      b.destination(b.operand(0), 4);
      b.end_destinations();
      b.source(b.operand(1), Type::kB64);
  }
}

}  // namespace

namespace mbarrier {

void decode_arrive_after_copies(Builder& b) {
  if (!b.accept("arrive")) b.fail("Expected cp.async.mbarrier.arrive");
  MbarrierForm& form = b.detail<MbarrierForm>();
  form.counted = b.accept("noinc");
  form.space = b.accept_space().value_or(Space::kGeneric);
  if (b.expect_type() != Type::kB64) b.fail("Expected .b64");
  b.op().execute = &run_arrive_after_copies;
  b.op().op_class = OpClass::kAsyncCopy;
  b.op().has_effects = true;
  b.note_access(Space::kShared, 4);
  b.memory_address(b.operand(0));
}

}  // namespace mbarrier

std::span<const Entry> mbarrier_instructions() {
  static constexpr Entry kEntries[] = {{"mbarrier", decode_mbarrier}};
  return kEntries;
}

}  // namespace virtual_gpu::isa
