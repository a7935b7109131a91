#include "machine/block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "machine/grid.h"

namespace virtual_gpu {
namespace {

// A warp runs at most so many instructions before another may: few enough that orders vary, many
// enough that a block is not mostly choosing.
constexpr std::uint32_t kMaxSlice = 192;
constexpr std::uint64_t kWordBytes = 4;

std::uint32_t warps_of(std::uint32_t threads) { return (threads + kLanes - 1) / kLanes; }

/// Existing lanes of a warp of the block.
LaneMask lanes_of_warp(std::uint32_t warp, std::uint32_t threads) {
  const std::uint32_t left = threads - warp * kLanes;
  return left >= kLanes ? kAllLanes : (1u << left) - 1;
}

}  // namespace

Block::Block(Grid& grid, std::uint64_t number, Counters& counters, std::uint64_t seed)
    : grid_(grid),
      counters_(counters),
      number_(number),
      threads_(grid.shape().threads()),
      random_(seed),
      shared_(grid.shared_bytes(), grid.program().shared_cell_bytes),
      copies_(grid.shape().threads()),
      mbarriers_(*this),
      ordering_(grid.released(), number, warps_of(threads_)),
      local_bytes_(grid.program().local_bytes),
      local_(local_bytes_ * threads_),
      local_defined_(local_bytes_ * threads_, 0) {
  const std::uint32_t* extents = grid.shape().grid;
  index_[0] = static_cast<std::uint32_t>(number % extents[0]);
  index_[1] = static_cast<std::uint32_t>(number / extents[0] % extents[1]);
  index_[2] = static_cast<std::uint32_t>(number / extents[0] / extents[1]);
  const std::uint32_t count = warps_of(threads_);
  clocks_.resize(count);
  outcomes_.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    clocks_[i].warp = i;
    clocks_[i].time[i] = 1;
    warps_.push_back(std::make_unique<Warp>(*this, i, lanes_of_warp(i, threads_)));
  }
}

void Block::thread_index(std::uint32_t thread, std::uint32_t (&index)[3]) const {
  const std::uint32_t* extents = grid_.shape().block;
  index[0] = thread % extents[0];
  index[1] = thread / extents[0] % extents[1];
  index[2] = thread / extents[0] / extents[1];
}

Allocation* Block::find_allocation(std::uint64_t address) {
  Memory& memory = grid_.memory();
  if (recent_version_ != memory.version()) {
    recent_ = {};
    recent_version_ = memory.version();
  }
  for (Allocation* allocation : recent_) {
    if (allocation != nullptr && address >= allocation->address && address < allocation->end()) {
      return allocation;
    }
  }
  Allocation* found = memory.find(address);
  if (found != nullptr) recent_[next_recent_++ % recent_.size()] = found;
  return found;
}

std::uint32_t Block::shared_origin(std::uint64_t offset) const {
  const auto found = shared_origins_.find(offset / kWordBytes);
  return found == shared_origins_.end() ? 0 : found->second;
}

void Block::note_shared_origin(std::uint64_t offset, std::uint32_t bytes, std::uint32_t origin) {
  for (std::uint64_t word = offset / kWordBytes; word <= (offset + bytes - 1) / kWordBytes;
       ++word) {
    shared_origins_[word] = origin;
  }
}

BlockState Block::run(std::uint64_t budget) {
  std::array<Warp*, kMaxWarps> ready{};
  for (std::uint64_t ran = 0; ran < budget;) {
    std::uint32_t count = 0;
    bool all_done = true;
    for (const auto& warp : warps_) {
      all_done = all_done && warp->done();
      if (warp->ready()) ready[count++] = warp.get();
    }
    if (all_done) return BlockState::kDone;
    if (count == 0) fault_stuck();
    Warp& warp = *ready[random() % count];
    ran += warp.run(1 + random() % kMaxSlice);
  }
  return BlockState::kRunning;
}

std::uint32_t Block::alive() const {
  std::uint32_t count = 0;
  for (const auto& warp : warps_) {
    count += static_cast<std::uint32_t>(std::popcount(warp->alive()));
  }
  return count;
}

bool Block::arrive(Warp& warp, const Op& op, const Arrival& arrival) {
  Barrier& barrier = barriers_[arrival.barrier];
  const auto threads_of = [&](std::uint32_t expected) {
    return expected != 0 ? expected : warps_of(threads_) * kLanes;
  };
  if (barrier.arrived != 0 && threads_of(barrier.expected) != threads_of(arrival.expected)) {
    warp.fault(HazardKind::kBarrierDivergence, op, kLanes,
               "barrier " + std::to_string(arrival.barrier) + " is waited for by " +
                   std::to_string(barrier.expected) + " threads and by " +
                   std::to_string(arrival.expected) + " (0: all) at once");
  }
  const auto lanes = static_cast<std::uint32_t>(std::popcount(arrival.lanes));
  // Where a number of threads is given, a warp counts as a whole (PTX ISA, operand b).
  const bool whole = arrival.expected != 0 && arrival.lanes == warp.alive();
  if (barrier.arrived == 0) barrier.expected = arrival.expected;
  barrier.arrived += whole ? kLanes : lanes;
  if (arrival.votes) {
    barrier.voters += lanes;
    barrier.true_count +=
        static_cast<std::uint32_t>(std::popcount(arrival.predicate & arrival.lanes));
  }
  // Who does not wait learns nothing of its neighbours either.
  if (arrival.waits) synchronize_warp(warp);
  else clock(warp).advance();
  barrier.clock.join(clock(warp));
  if (arrival.waits) warp.wait_at_barrier(arrival.barrier);
  return complete_if_all_came(arrival.barrier);
}

bool Block::complete_if_all_came(std::uint32_t number) {
  Barrier& barrier = barriers_[number];
  const std::uint32_t expected = barrier.expected != 0 ? barrier.expected : alive();
  if (barrier.arrived == 0 || barrier.arrived < expected) return false;
  for (const auto& warp : warps_) {
    if (!warp->release(number)) continue;
    clock(*warp).join(barrier.clock);
    outcomes_[warp->index()] = barrier;
  }
  barrier = {};
  note_progress();
  return true;
}

void Block::lanes_exited() {
  note_progress();
  for (std::uint32_t i = 0; i < kBarriers; ++i) {
    if (barriers_[i].arrived != 0 && barriers_[i].expected == 0) complete_if_all_came(i);
  }
}

std::string Block::describe_waiting() const {
  const std::vector<Op>& ops = grid_.program().ops;
  constexpr std::size_t kMaxLength = 2000;
  std::string text;
  for (const auto& warp : warps_) {
    for (const Fragment& fragment : warp->fragments()) {
      if (fragment.lanes == 0 || text.size() > kMaxLength) continue;
      const std::uint32_t first = static_cast<std::uint32_t>(std::countr_zero(fragment.lanes));
      text += "\n  warp " + std::to_string(warp->index()) + ", " +
              std::to_string(std::popcount(fragment.lanes)) + " threads from " +
              std::to_string(warp->thread_of(first)) + " on, at line " +
              std::to_string(ops[fragment.pc].line) + ": ";
      if (fragment.wait == Wait::kBarrier) {
        const Barrier& barrier = barriers_[fragment.barrier];
        text += "wait at barrier " + std::to_string(fragment.barrier) + ", where " +
                std::to_string(barrier.arrived) + " threads of " +
                std::to_string(barrier.expected != 0 ? barrier.expected : alive()) + " are";
      } else if (fragment.wait == Wait::kMembers) {
        text += "wait for the other lanes of a member mask";
      } else {
        text += "are running";
      }
    }
  }
  return text;
}

/// A fault at the first thread that waits, or if none does at the first that is not done.
void Block::fault_waiting(HazardKind kind, const std::string& what) {
  Warp* warp = nullptr;
  const Fragment* found = nullptr;
  for (const auto& each : warps_) {
    for (const Fragment& fragment : each->fragments()) {
      if (fragment.lanes == 0) continue;
      const bool better = found == nullptr ||
                          (found->wait == Wait::kReady && fragment.wait != Wait::kReady);
      if (!better) continue;
      warp = each.get();
      found = &fragment;
    }
  }
  if (found == nullptr) std::abort();  // such a block is done
  const auto lane = static_cast<std::uint32_t>(std::countr_zero(found->lanes));
  warp->fault(kind, grid_.program().ops[found->pc], lane, what + describe_waiting());
}

void Block::fault_stuck() {
  bool barrier = false;
  for (const auto& warp : warps_) {
    for (const Fragment& fragment : warp->fragments()) {
      barrier = barrier || (fragment.lanes != 0 && fragment.wait == Wait::kBarrier);
    }
  }
  fault_waiting(barrier ? HazardKind::kBarrierDivergence : HazardKind::kHang,
                "no thread of the block can go on:");
}

void Block::fault_hang(const std::string& what) { fault_waiting(HazardKind::kHang, what); }

}  // namespace virtual_gpu
