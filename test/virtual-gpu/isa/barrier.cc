// Barriers and fences (PTX ISA, "bar, barrier", "bar.warp.sync", "membar, fence", "nanosleep").
#include <atomic>
#include <bit>
#include <string>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "isa/semantics.h"
#include "isa/warp_wide.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu::isa {
namespace {

using ptx::OperandKind;
using ptx::Type;

enum class BarrierKind : std::uint8_t { kSync, kArrive, kPopc, kAnd, kOr };

struct BarrierForm : Detail {
  BarrierKind kind = BarrierKind::kSync;
  bool aligned = true;
  bool has_count = false;
  std::size_t destinations = 0;
};

std::uint32_t uniform(Warp& warp, const Op& op, const Operand& operand, LaneMask mask,
                      const char* use) {
  warp.require_defined(op, operand, mask, use);
  const std::uint32_t* lanes = warp.lanes_of<std::uint32_t>(operand);
  const int first = std::countr_zero(mask);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    if (lanes[std::countr_zero(left)] != lanes[first]) {
      warp.fault(HazardKind::kBarrierDivergence, op, static_cast<std::uint32_t>(first),
                 "threads of a warp give the barrier different operands");
    }
  }
  return lanes[first];
}

void write_outcome(Warp& warp, const Op& op, const BarrierForm& form, LaneMask mask) {
  if (form.destinations == 0) return;
  const Barrier& outcome = warp.block().outcome(warp);
  const Operand& to = op.operands[0];
  if (form.kind == BarrierKind::kPopc) {
    std::uint32_t lanes[kLanes];
    std::fill_n(lanes, kLanes, outcome.true_count);
    write_lanes(warp, to, mask, lanes);
  } else {
    const bool value = form.kind == BarrierKind::kAnd ? outcome.true_count == outcome.voters
                                                      : outcome.true_count != 0;
    LaneMask& predicate = warp.predicate(to);
    predicate = value ? predicate | mask : predicate & ~mask;
  }
  warp.mark_defined(to, mask);
}

/// Operands: [result,] barrier, [count,] [predicate].
Flow run_barrier(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const BarrierForm*>(op.detail);
  if (warp.take_release()) {
    write_outcome(warp, op, form, mask);
    return Flow::kNext;
  }
  if (form.aligned && !warp.converged(kAllLanes, mask)) return Flow::kWait;
  std::size_t at = form.destinations;
  Arrival arrival;
  arrival.barrier = uniform(warp, op, op.operands[at++], mask, "as a barrier's number");
  if (arrival.barrier >= kBarriers) {
    warp.fault(HazardKind::kInvalidInstruction, op, kLanes,
               "barrier " + std::to_string(arrival.barrier) + " of " + std::to_string(kBarriers));
  }
  if (form.has_count) {
    arrival.expected = uniform(warp, op, op.operands[at++], mask, "as a barrier's thread count");
    if (arrival.expected == 0 || arrival.expected % kLanes != 0) {
      warp.fault(HazardKind::kInvalidInstruction, op, kLanes,
                 "a barrier of " + std::to_string(arrival.expected) +
                     " threads, which is no multiple of the warp size");
    }
  }
  arrival.lanes = mask;
  arrival.waits = form.kind != BarrierKind::kArrive;
  arrival.votes = form.destinations != 0;
  if (arrival.votes) {
    const Operand& predicate = op.operands[at];
    warp.require_defined(op, predicate, mask, "as a barrier's predicate");
    arrival.predicate = warp.predicate(predicate);
    if (predicate.negated) arrival.predicate = ~arrival.predicate;
  }
  warp.block().arrive(warp, op, arrival);
  return arrival.waits ? Flow::kWait : Flow::kNext;
}

void decode_barrier_form(Builder& b, bool aligned) {
  BarrierForm& form = b.detail<BarrierForm>();
  b.accept("cta");
  const std::size_t verb = b.expect_one({"sync", "arrive", "red"});
  form.aligned = b.accept("aligned") || aligned;
  b.op().execute = &run_barrier;
  b.op().op_class = OpClass::kBarrier;
  b.op().has_effects = true;
  std::size_t at = 0;
  if (verb == 2) {
    const std::size_t kind = b.expect_one({"popc", "and", "or"});
    form.aligned = b.accept("aligned") || form.aligned;
    b.expect_type();
    form.kind = static_cast<BarrierKind>(kind + 2);
    form.destinations = 1;
    if (form.kind == BarrierKind::kPopc) b.destination(b.operand(at++), 4);
    else b.predicate_destination(b.operand(at++));
    b.end_destinations();
  } else {
    form.kind = verb == 0 ? BarrierKind::kSync : BarrierKind::kArrive;
  }
  b.source(b.operand(at++), Type::kU32);
  const std::size_t left = b.operand_count() - at;
  form.has_count = left > form.destinations;
  if (form.has_count) b.source(b.operand(at++), Type::kU32);
  if (form.kind == BarrierKind::kArrive && !form.has_count) {
    b.fail("Expected a number of threads of arrive");
  }
  if (form.destinations != 0) b.predicate_source(b.operand(at));
}

/// bar.warp.sync members: orders memory among them. From sm_70 on they may be at different
/// instructions, as in the two branches of an if.
Flow run_warp_barrier(Warp& warp, const Op& op, LaneMask mask) {
  if (warp.take_release()) return Flow::kNext;
  const LaneMask members = part_by_members(warp, op, op.operands[0], mask);
  if (!warp.met(members, mask, &run_warp_barrier)) return Flow::kWait;
  warp.block().synchronize_warp(warp);
  return Flow::kNext;
}

void decode_bar(Builder& b) {
  if (b.accept("warp")) {
    if (!b.accept("sync")) b.fail("Expected bar.warp.sync");
    b.op().execute = &run_warp_barrier;
    b.op().op_class = OpClass::kBarrier;
    b.op().has_effects = true;
    b.source(b.operand(0), Type::kB32);
    return;
  }
  decode_barrier_form(b, true);
}

void decode_barrier(Builder& b) { decode_barrier_form(b, false); }

/// `variant`: a Scope. Blocks run on several host threads, whose accesses the fence orders too.
Flow run_fence(Warp& warp, const Op& op, LaneMask) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  Block& block = warp.block();
  block.ordering().fence(warp.index(), block.clock(warp), static_cast<Scope>(op.variant));
  return Flow::kNext;
}

Flow run_pause(Warp&, const Op&, LaneMask) { return Flow::kNext; }

void decode_fence(Builder& b) {
  Scope scope = Scope::kDevice;
  bool orders_threads = true;
  while (b.has_modifiers()) {
    if (const auto stated = accept_scope(b)) scope = *stated;
    // Between the ways to memory of one thread; there is one here.
    else if (b.accept_one({"proxy", "mbarrier_init"})) orders_threads = false;
    else if (!b.accept_one({"sc", "acq_rel", "acquire", "release", "gl", "async", "alias", "global",
                            "shared::cta", "async::generic", "sync_restrict::shared::cta"})) {
      break;
    }
  }
  b.op().execute = orders_threads ? &run_fence : &run_pause;
  b.op().variant = static_cast<decltype(b.op().variant)>(scope);
  b.op().op_class = OpClass::kFence;
  b.op().has_effects = true;
}

void decode_nanosleep(Builder& b) {
  b.expect_type();
  b.op().execute = &run_pause;
  b.op().op_class = OpClass::kOther;
  b.source(b.operand(0), Type::kU32);
}

}  // namespace

std::span<const Entry> barrier_instructions() {
  static constexpr Entry kEntries[] = {
      {"bar", decode_bar},       {"barrier", decode_barrier},     {"membar", decode_fence},
      {"fence", decode_fence},   {"nanosleep", decode_nanosleep},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
