#include "machine/global_races.h"

#include <algorithm>
#include <thread>

#include "program/op.h"

namespace virtual_gpu {
namespace {

constexpr std::uint64_t kSegmentBytes = 128;

/// Never 0, and another for each launch of the process.
std::uint32_t next_launch() {
  static std::atomic<std::uint32_t> last = 0;
  std::uint32_t number = ++last;
  while (number == 0) number = ++last;
  return number;
}

std::uint32_t strength_of(const GlobalAccessor& by) {
  if (!by.is_strong) return 0;
  return by.scope == Scope::kBlock ? 1 : 2;
}

}  // namespace

GlobalRaces::GlobalRaces(std::uint32_t cell_bytes)
    : cell_bytes_(cell_bytes), launch_(next_launch()) {}

void GlobalRaces::Guard::hold(GlobalRaces& races, std::uint64_t address) {
  std::atomic_flag& flag = races.locks_[address / kSegmentBytes % kLocks];
  if (held_ == &flag) return;
  release();
  while (flag.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  held_ = &flag;
}

void GlobalRaces::Guard::release() {
  if (held_ != nullptr) held_->clear(std::memory_order_release);
  held_ = nullptr;
}

GlobalRaces::Cell* GlobalRaces::cells_of(Allocation& allocation) const {
  return reinterpret_cast<Cell*>(allocation.cells());
}

GlobalRaces::Touch GlobalRaces::mine(const GlobalAccessor& by) const {
  return {.launch = launch_,
          .block = static_cast<std::uint32_t>(by.block),
          .time = by.who.clock->time[by.who.warp],
          .pc = std::min(by.who.pc, kMaxPc),
          .warp = by.who.warp & (kMaxWarps - 1),
          .lane = by.who.lane < kLanes ? by.who.lane : kWholeWarp,
          .strength = strength_of(by) & 3};
}

bool GlobalRaces::conflicts(const Touch& before, const GlobalAccessor& by) const {
  if (before.launch != launch_) return false;
  const bool same_block = before.block == by.block;
  const std::uint32_t weaker = std::min(before.strength, strength_of(by));
  if (weaker >= (same_block ? 1u : 2u)) return false;
  if (!same_block) return !by.who.clock->knows(before.block, before.warp, before.time);
  if (before.warp == by.who.warp) {
    if (before.lane == by.who.lane) return false;
    // The same lanes move the same parts of a matrix in one instruction; between two nobody knows.
    if (before.lane == kWholeWarp && by.who.lane >= kLanes && before.pc == by.who.pc) return false;
  }
  return !by.who.clock->knows(before.warp, before.time);
}

void GlobalRaces::remember_read(Cell& cell, const GlobalAccessor& by) {
  const Touch now = mine(by);
  Touch& last = cell.read;
  const bool same_warp =
      last.launch == launch_ && last.block == now.block && last.warp == now.warp;
  const bool apart = last.lane != now.lane && (last.time == now.time || conflicts(last, by));
  if (same_warp && (apart || last.time == now.time)) {
    // One stands for both, of no lane in particular where nothing ordered them.
    const std::uint32_t strength = std::min(last.strength, now.strength);
    const std::uint32_t lane = apart ? kSeveralLanes : now.lane;
    last = now;
    last.strength = strength & 3;
    last.lane = lane & 63;
    return;
  }
  if (!by.keeps_read || !conflicts(last, by)) last = now;
}

Conflict GlobalRaces::touch(Cell& cell, const GlobalAccessor& by, bool same_value) {
  const auto conflict = [](const Touch& other, bool writes) {
    return conflict_with(other.warp, other.lane, other.pc, writes, other.block);
  };
  const bool stale = by.is_read_only && cell.write.launch == launch_;
  if (stale || (!same_value && conflicts(cell.write, by))) return conflict(cell.write, true);
  if (!by.is_write) {
    remember_read(cell, by);
    return {};
  }
  if (conflicts(cell.read, by)) return conflict(cell.read, false);
  cell.read = {};
  cell.write = mine(by);
  return {};
}

}  // namespace virtual_gpu
