#include "machine/mbarriers.h"

#include <cstring>
#include <utility>

#include "machine/block.h"

namespace virtual_gpu {
namespace {

constexpr int kPendingShift = 20;
constexpr int kPhaseShift = 40;
constexpr int kValidShift = 63;
constexpr std::uint32_t kPhaseMask = (1u << 23) - 1;

}  // namespace

std::uint64_t MbarrierState::pack() const {
  return std::uint64_t{expected} | std::uint64_t{pending} << kPendingShift |
         std::uint64_t{phase & kPhaseMask} << kPhaseShift | std::uint64_t{valid} << kValidShift;
}

MbarrierState MbarrierState::unpack(std::uint64_t bits) {
  return {.expected = static_cast<std::uint32_t>(bits) & kMaxArrivals,
          .pending = static_cast<std::uint32_t>(bits >> kPendingShift) & kMaxArrivals,
          .phase = static_cast<std::uint32_t>(bits >> kPhaseShift) & kPhaseMask,
          .valid = bits >> kValidShift != 0};
}

MbarrierState Mbarriers::state(std::uint32_t offset) const {
  std::uint64_t bits;
  std::memcpy(&bits, block_.shared().data() + offset, sizeof bits);
  return MbarrierState::unpack(bits);
}

void Mbarriers::store(std::uint32_t offset, const MbarrierState& state) {
  const std::uint64_t bits = state.pack();
  std::memcpy(block_.shared().data() + offset, &bits, sizeof bits);
  std::memset(block_.shared().defined() + offset, 0xFF, sizeof bits);
  block_.note_progress();
}

void Mbarriers::init(std::uint32_t offset, std::uint32_t count) {
  records_[offset] = {};
  store(offset, {.expected = count, .pending = count, .phase = 0, .valid = true});
}

void Mbarriers::invalidate(std::uint32_t offset) {
  records_.erase(offset);
  store(offset, {});
}

bool Mbarriers::arrive(Warp& warp, std::uint32_t offset, std::uint32_t count, bool drop) {
  Clock& clock = block_.clock(warp);
  clock.advance();
  return count_arrivals(offset, count, drop, clock);
}

bool Mbarriers::count_arrivals(std::uint32_t offset, std::uint32_t count, bool drop,
                               const Clock& clock) {
  MbarrierState now = state(offset);
  if (count > now.pending || (drop && count > now.expected)) return false;
  Record& record = records_[offset];
  record.arrived.join(clock);
  now.pending -= count;
  if (drop) now.expected -= count;
  if (now.pending == 0) {
    now.pending = now.expected;
    ++now.phase;
    // A token of an earlier phase covers that phase only, which is less than what is known here.
    record.completed.join(std::exchange(record.arrived, {}));
  }
  store(offset, now);
  return true;
}

bool Mbarriers::passed(Warp& warp, const Op& op, std::uint32_t offset, std::uint32_t phase,
                       bool by_parity) {
  const auto is_passed = [&] {
    const std::uint32_t current = state(offset).phase;
    return by_parity ? (current & 1) != (phase & 1) : current != phase;
  };
  // Every other time, so that a program that asks only once is found out.
  if (!is_passed() && block_.random() % 2 == 0) deliver(op, offset);
  if (!is_passed()) return false;
  block_.clock(warp).join(records_[offset].completed);
  return true;
}

void Mbarriers::arrive_after_copies(Warp& warp, std::uint32_t lane, std::uint32_t offset,
                                    bool counted) {
  if (!counted) {
    MbarrierState now = state(offset);
    ++now.pending;
    store(offset, now);
  }
  Clock& clock = block_.clock(warp);
  records_[offset].pending.push_back(
      {warp.index(), lane, block_.copies().started(warp, lane), clock});
  clock.advance();
}

void Mbarriers::deliver(const Op& op, std::uint32_t offset) {
  const std::vector<Pending> pending = std::exchange(records_[offset].pending, {});
  for (const Pending& each : pending) {
    Warp& warp = *block_.warps()[each.warp];
    block_.copies().wait_for_first(warp, op, each.lane, each.copies, each.clock);
    Clock after = each.clock;  // so that who knows the arrival knows the copies
    after.advance();
    count_arrivals(offset, 1, false, after);
  }
}

}  // namespace virtual_gpu
