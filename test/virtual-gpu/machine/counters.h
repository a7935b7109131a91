// What a launch did, counted by instruction.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

#include "program/op.h"

namespace virtual_gpu {

struct OpCounter {
  std::uint64_t warps = 0;        // executions by a warp
  std::uint64_t lanes = 0;        // by lanes
  std::uint64_t wavefronts = 0;   // passes through the banks of shared memory
  std::uint64_t least_wavefronts = 0;  // without conflicts
  std::uint64_t sectors = 0;      // of 32 bytes of global memory
  std::uint64_t least_sectors = 0;     // if the distinct bytes lay side by side
  std::uint64_t bytes = 0;        // asked for by lanes
  std::uint64_t multiply_adds = 0;     // of tensor cores
};

/// One host thread's counters; those of all threads are added up at the end of a launch.
class Counters {
 public:
  explicit Counters(std::size_t ops) : by_op_(ops) {}

  void count(std::uint32_t pc, LaneMask lanes) {
    OpCounter& counter = by_op_[pc];
    ++counter.warps;
    counter.lanes += static_cast<std::uint64_t>(std::popcount(lanes));
  }
  /// Something changed that a waiting thread may wait for: memory, a barrier, an exit.
  void note_progress() {
    progress_.store(progress_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  std::uint64_t progress() const { return progress_.load(std::memory_order_relaxed); }

  OpCounter& at(std::uint32_t pc) { return by_op_[pc]; }
  const std::vector<OpCounter>& by_op() const { return by_op_; }

  void add(const Counters& other);

 private:
  std::vector<OpCounter> by_op_;
  std::atomic<std::uint64_t> progress_ = 0;  // written by one thread, read by all
};

}  // namespace virtual_gpu
