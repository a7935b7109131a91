// Instructions of a whole warp (PTX ISA, "shfl.sync", "vote.sync", "match.sync", "redux.sync",
// "activemask", "elect.sync"): lanes of a member mask wait for each other, then exchange values.
#include <algorithm>
#include <bit>
#include <string>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "isa/warp_wide.h"

namespace virtual_gpu::isa {

LaneMask member_mask(Warp& warp, const Op& op, const Operand& operand, LaneMask mask) {
  warp.require_defined(op, operand, mask, "as a member mask");
  const std::uint32_t* members = warp.lanes_of<std::uint32_t>(operand);
  const auto first = static_cast<std::uint32_t>(std::countr_zero(mask));
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    if ((members[lane] >> lane & 1) == 0) {
      warp.fault(HazardKind::kInvalidInstruction, op, lane,
                 "a thread that is not in its own member mask");
    }
  }
  return members[first];
}

LaneMask part_by_members(Warp& warp, const Op& op, const Operand& operand, LaneMask& mask) {
  const LaneMask members = member_mask(warp, op, operand, mask);
  const std::uint32_t* masks = warp.lanes_of<std::uint32_t>(operand);
  LaneMask group = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (masks[lane] == members) group |= 1u << lane;
  }
  if (group != mask) {
    warp.split_here(group, mask, warp.pc());
    mask = group;
  }
  return members;
}

Flow members_here(Warp& warp, const Op& op, const Operand& operand, LaneMask& mask) {
  const LaneMask members = part_by_members(warp, op, operand, mask);
  return warp.converged(members, mask) ? Flow::kNext : Flow::kWait;
}

namespace {

using ptx::Type;

enum class Shuffle : std::uint8_t { kUp, kDown, kButterfly, kIndex };

/// Operands: d, p (perhaps the sink), a, b, c, member mask.
Flow run_shfl(Warp& warp, const Op& op, LaneMask mask) {
  const Flow flow = members_here(warp, op, op.operands[5], mask);
  if (flow != Flow::kNext) return flow;
  const auto* a = warp.lanes_of<std::uint32_t>(op.operands[2]);
  const auto* b = warp.lanes_of<std::uint32_t>(op.operands[3]);
  const auto* c = warp.lanes_of<std::uint32_t>(op.operands[4]);
  warp.require_defined(op, op.operands[3], mask, "as a shuffle's lane");
  warp.require_defined(op, op.operands[4], mask, "as a shuffle's clamp");
  const std::uint32_t* bits = undefined_or_null<std::uint32_t>(warp, op.operands[2]);
  std::uint32_t origin = bits != nullptr ? warp.origin_of(op.operands[2]) : 0;
  std::uint32_t result[kLanes];
  std::uint32_t undefined[kLanes] = {};
  LaneMask in_range = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const int offset = static_cast<int>(b[lane] & 0x1F);
    const int clamp = static_cast<int>(c[lane] & 0x1F);
    const int segment = static_cast<int>(c[lane] >> 8 & 0x1F);
    const int most = (lane & segment) | (clamp & ~segment);
    const int least = lane & segment;
    int from = lane;
    bool inside = false;
    switch (static_cast<Shuffle>(op.variant)) {
      case Shuffle::kUp:
        from = lane - offset;
        inside = from >= most;
        break;
      case Shuffle::kDown:
        from = lane + offset;
        inside = from <= most;
        break;
      case Shuffle::kButterfly:
        from = lane ^ offset;
        inside = from <= most;
        break;
      case Shuffle::kIndex:
        from = least | (offset & ~segment);
        inside = from <= most;
        break;
    }
    if (!inside) from = lane;
    in_range |= LaneMask{inside} << lane;
    result[lane] = a[from];
    if (bits != nullptr) undefined[lane] = bits[from];
    if ((mask >> from & 1) == 0 && from != lane) {
      // A thread that takes no part: what is read from it is unpredictable.
      undefined[lane] = ~0u;
      origin = warp.add_origin("a shuffle from a thread that takes no part in it", op);
    }
  }
  write_lanes(warp, op.operands[0], mask, result);
  write_undefined(warp, op.operands[0], mask, undefined, origin);
  if (!op.operands[1].sink) {
    LaneMask& predicate = warp.predicate(op.operands[1]);
    predicate = (predicate & ~mask) | (in_range & mask);
    warp.mark_defined(op.operands[1], mask);
  }
  return Flow::kNext;
}

void decode_shfl(Builder& b) {
  if (!b.accept("sync")) b.fail("Expected shfl.sync; sm_70 and later have no other");
  b.op().variant = static_cast<std::uint32_t>(b.expect_one({"up", "down", "bfly", "idx"}));
  const Type type = b.expect_type();
  if (type != Type::kB32) b.fail("Expected .b32");
  b.op().execute = &run_shfl;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  b.destination(results[0], 4);
  b.predicate_destination(results.size() > 1 ? results[1] : ptx::Operand{});
  b.end_destinations();
  for (std::size_t i = 1; i <= 4; ++i) b.source(b.operand(i), Type::kB32);
}

enum class Vote : std::uint8_t { kAll, kAny, kUniform, kBallot };

/// Operands: d, predicate, member mask.
Flow run_vote(Warp& warp, const Op& op, LaneMask mask) {
  const Flow flow = members_here(warp, op, op.operands[2], mask);
  if (flow != Flow::kNext) return flow;
  LaneMask value = warp.predicate(op.operands[1]);
  if (op.operands[1].negated) value = ~value;
  value &= mask;
  const LaneMask doubtful = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = doubtful != 0 ? warp.origin_of(op.operands[1]) : 0;
  const auto vote = static_cast<Vote>(op.variant);
  if (vote == Vote::kBallot) {
    std::uint32_t result[kLanes];
    std::uint32_t undefined[kLanes];
    std::fill_n(result, kLanes, value);
    std::fill_n(undefined, kLanes, doubtful);
    write_lanes(warp, op.operands[0], mask, result);
    write_undefined(warp, op.operands[0], mask, undefined, origin);
    return Flow::kNext;
  }
  const bool all = value == mask;
  const bool any = value != 0;
  const bool result = vote == Vote::kAll ? all : vote == Vote::kAny ? any : all || !any;
  LaneMask& to = warp.predicate(op.operands[0]);
  to = result ? to | mask : to & ~mask;
  warp.mark_defined(op.operands[0], mask);
  // One lane that is known may decide.
  const bool decided = (vote == Vote::kAny && (value & ~doubtful) != 0) ||
                       (vote == Vote::kAll && (mask & ~value & ~doubtful) != 0);
  if (doubtful != 0 && !decided) warp.mark_undefined(op.operands[0], mask, origin);
  return Flow::kNext;
}

void decode_vote(Builder& b) {
  if (!b.accept("sync")) b.fail("Expected vote.sync; sm_70 and later have no other");
  const std::size_t kind = b.expect_one({"all", "any", "uni", "ballot"});
  b.expect_type();
  b.op().variant = static_cast<std::uint32_t>(kind);
  b.op().execute = &run_vote;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  if (kind == static_cast<std::size_t>(Vote::kBallot)) b.destination(b.operand(0), 4);
  else b.predicate_destination(b.operand(0));
  b.end_destinations();
  b.predicate_source(b.operand(1));
  b.source(b.operand(2), Type::kB32);
}

/// Operands: d, p (perhaps the sink), a, member mask. `variant`: 1 for .all.
template <typename T>
Flow run_match(Warp& warp, const Op& op, LaneMask mask) {
  const Flow flow = members_here(warp, op, op.operands[3], mask);
  if (flow != Flow::kNext) return flow;
  const T* a = warp.lanes_of<T>(op.operands[2]);
  const LaneMask doubtful = warp.undefined_lanes(op.operands[2], mask);
  const std::uint32_t origin = doubtful != 0 ? warp.origin_of(op.operands[2]) : 0;
  std::uint32_t result[kLanes] = {};
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    for (LaneMask rest = mask; rest != 0; rest &= rest - 1) {
      const int other = std::countr_zero(rest);
      if (a[other] == a[lane]) result[lane] |= 1u << other;
    }
  }
  LaneMask equal = 0;
  if (op.variant == 1) {
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const int lane = std::countr_zero(left);
      const bool all = result[lane] == mask;
      equal |= LaneMask{all} << lane;
      if (!all) result[lane] = 0;
    }
  }
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (!op.operands[1].sink) {
    LaneMask& to = warp.predicate(op.operands[1]);
    to = (to & ~mask) | equal;
    warp.mark_defined(op.operands[1], mask);
  }
  if (doubtful != 0) {
    warp.mark_undefined(op.operands[0], mask, origin);
    if (!op.operands[1].sink) warp.mark_undefined(op.operands[1], mask, origin);
  }
  return Flow::kNext;
}

void decode_match(Builder& b) {
  b.op().variant = static_cast<std::uint32_t>(b.expect_one({"any", "all"}));
  if (!b.accept("sync")) b.fail("Expected .sync");
  const Type type = b.expect_type();
  b.op().execute = ptx::bytes_of(type) == 8 ? &run_match<std::uint64_t> : &run_match<std::uint32_t>;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  b.destination(results[0], 4);
  b.predicate_destination(results.size() > 1 ? results[1] : ptx::Operand{});
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), Type::kB32);
}

enum class Reduce : std::uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };

template <typename T>
T reduced(Reduce kind, T a, T b) {
  switch (kind) {
    case Reduce::kAdd: return static_cast<T>(static_cast<std::uint32_t>(a) +
                                             static_cast<std::uint32_t>(b));
    case Reduce::kMin: return std::min(a, b);
    case Reduce::kMax: return std::max(a, b);
    case Reduce::kAnd: return a & b;
    case Reduce::kOr: return a | b;
    case Reduce::kXor: return a ^ b;
  }
  return a;
}

template <typename T>
Flow run_redux(Warp& warp, const Op& op, LaneMask mask) {
  const Flow flow = members_here(warp, op, op.operands[2], mask);
  if (flow != Flow::kNext) return flow;
  const T* a = warp.lanes_of<T>(op.operands[1]);
  const LaneMask doubtful = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = doubtful != 0 ? warp.origin_of(op.operands[1]) : 0;
  T sum = a[std::countr_zero(mask)];
  for (LaneMask left = mask & (mask - 1); left != 0; left &= left - 1) {
    sum = reduced(static_cast<Reduce>(op.variant), sum, a[std::countr_zero(left)]);
  }
  T result[kLanes];
  std::fill_n(result, kLanes, sum);
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  if (doubtful != 0) warp.mark_undefined(op.operands[0], mask, origin);
  return Flow::kNext;
}

void decode_redux(Builder& b) {
  b.require_target(80);
  if (!b.accept("sync")) b.fail("Expected .sync");
  b.op().variant =
      static_cast<std::uint32_t>(b.expect_one({"add", "min", "max", "and", "or", "xor"}));
  const Type type = b.expect_type();
  b.op().execute = type == Type::kS32 ? &run_redux<std::int32_t> : &run_redux<std::uint32_t>;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  b.destination(b.operand(0), 4);
  b.end_destinations();
  b.source(b.operand(1), type);
  b.source(b.operand(2), Type::kB32);
}

Flow run_activemask(Warp& warp, const Op& op, LaneMask mask) {
  std::uint32_t result[kLanes];
  std::fill_n(result, kLanes, mask);
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

void decode_activemask(Builder& b) {
  b.expect_type();
  b.op().execute = &run_activemask;
  b.op().op_class = OpClass::kShuffle;
  b.destination(b.operand(0), 4);
  b.end_destinations();
}

/// elect.sync d|p, members: the lowest member leads.
Flow run_elect(Warp& warp, const Op& op, LaneMask mask) {
  const Flow flow = members_here(warp, op, op.operands[2], mask);
  if (flow != Flow::kNext) return flow;
  const int leader = std::countr_zero(mask);
  std::uint32_t result[kLanes];
  std::fill_n(result, kLanes, static_cast<std::uint32_t>(leader));
  write_lanes(warp, op.operands[0], mask, result);
  warp.mark_defined(op.operands[0], mask);
  LaneMask& to = warp.predicate(op.operands[1]);
  to = (to & ~mask) | (1u << leader & mask);
  warp.mark_defined(op.operands[1], mask);
  return Flow::kNext;
}

void decode_elect(Builder& b) {
  b.require_target(90);
  if (!b.accept("sync")) b.fail("Expected .sync");
  b.op().execute = &run_elect;
  b.op().op_class = OpClass::kShuffle;
  b.op().has_effects = true;
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  if (results.size() != 2) b.fail("Expected two results");
  b.destination(results[0], 4);
  b.predicate_destination(results[1]);
  b.end_destinations();
  b.source(b.operand(1), Type::kB32);
}

}  // namespace

std::span<const Entry> warp_instructions() {
  static constexpr Entry kEntries[] = {
      {"shfl", decode_shfl},   {"vote", decode_vote},             {"match", decode_match},
      {"redux", decode_redux}, {"activemask", decode_activemask}, {"elect", decode_elect},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
