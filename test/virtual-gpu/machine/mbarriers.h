// mbarriers of a block (PTX ISA, "Parallel Synchronization and Communication Instructions:
// mbarrier"). Their state lies in shared memory, where the program put them:
//
//   bits 0–19 the expected arrivals of a phase, 20–39 those still pending, 40–62 the phase, 63 set:
//   initialized
//
// Beside it the block keeps the clocks of who arrived, and the arrivals that asynchronous copies
// will make. Those are delivered as late as can be: when somebody asks for the barrier in vain.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "machine/clock.h"

namespace virtual_gpu {

class Block;
class Warp;
struct Op;

struct MbarrierState {
  std::uint32_t expected = 0;
  std::uint32_t pending = 0;
  std::uint32_t phase = 0;
  bool valid = false;

  std::uint64_t pack() const;
  static MbarrierState unpack(std::uint64_t bits);
};

constexpr std::uint32_t kMaxArrivals = (1u << 20) - 1;

class Mbarriers {
 public:
  explicit Mbarriers(Block& block) : block_(block) {}

  void init(std::uint32_t offset, std::uint32_t count);
  void invalidate(std::uint32_t offset);
  MbarrierState state(std::uint32_t offset) const;
  /// Counts arrivals of a thread; false where there are fewer pending. `drop`: later phases expect
  /// as many fewer.
  bool arrive(Warp& warp, std::uint32_t offset, std::uint32_t count, bool drop);
  /// Whether a phase other than `phase` is current, or with `by_parity` one of the other parity. If
  /// so, the warp knows of everything that happened before the arrivals.
  bool passed(Warp& warp, const Op& op, std::uint32_t offset, std::uint32_t phase, bool by_parity);
  /// An arrival of this lane once its copies so far have arrived; without `counted` (that is,
  /// without .noinc) it is added to the pending ones first.
  void arrive_after_copies(Warp& warp, std::uint32_t lane, std::uint32_t offset, bool counted);

 private:
  /// An arrival that a lane's copies will make.
  struct Pending {
    std::uint32_t warp;
    std::uint32_t lane;
    std::uint64_t copies;  // it waits for this many of the lane's first
    Clock clock;           // of the warp when they were told to: what came later is not covered
  };
  struct Record {
    Clock arrived;     // of the present phase
    Clock completed;   // of the phases before
    std::vector<Pending> pending;
  };
  void store(std::uint32_t offset, const MbarrierState& state);
  bool count_arrivals(std::uint32_t offset, std::uint32_t count, bool drop, const Clock& clock);
  void deliver(const Op& op, std::uint32_t offset);

  Block& block_;
  std::unordered_map<std::uint32_t, Record> records_;
};

}  // namespace virtual_gpu
