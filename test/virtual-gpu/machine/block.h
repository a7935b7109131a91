// A thread block while it runs: its warps, its shared memory, its barriers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "machine/async_copies.h"
#include "machine/clock.h"
#include "machine/counters.h"
#include "machine/mbarriers.h"
#include "machine/memory.h"
#include "machine/ordering.h"
#include "machine/shared_memory.h"
#include "machine/warp.h"

namespace virtual_gpu {

class Grid;

/// The addresses that generic pointers into a block's memories have; the application has none.
constexpr std::uint64_t kSharedWindow = std::uint64_t{1} << 32;
constexpr std::uint64_t kLocalWindow = std::uint64_t{2} << 32;
constexpr std::uint64_t kParamWindow = std::uint64_t{3} << 32;
constexpr std::uint64_t kWindowSize = std::uint64_t{1} << 32;
/// Where a block's shared memory begins; the bytes before it are the driver's on real devices,
/// and an access to them, as to null, is out of bounds here.
constexpr std::uint32_t kSharedBase = 1024;

constexpr std::uint32_t kBarriers = 16;

/// What has arrived at a barrier so far (PTX ISA, "bar, barrier").
struct Barrier {
  std::uint32_t expected = 0;    // threads, a multiple of the warp size; 0: all that are alive
  std::uint32_t arrived = 0;     // threads
  std::uint32_t true_count = 0;  // of bar.red: threads whose predicate is true
  std::uint32_t voters = 0;      // of bar.red: threads
  Clock clock;                   // of all who arrived
};

/// How threads come to a barrier.
struct Arrival {
  std::uint32_t barrier = 0;
  std::uint32_t expected = 0;    // as in Barrier
  LaneMask lanes = 0;
  bool aligned = true;           // the whole warp comes together
  bool waits = true;
  bool votes = false;
  LaneMask predicate = 0;
};

enum class BlockState : std::uint8_t { kRunning, kDone };

class Block {
 public:
  Block(Grid& grid, std::uint64_t number, Counters& counters, std::uint64_t seed);

  /// Runs about `budget` instructions, warps in a random order. Throws DeviceFault.
  BlockState run(std::uint64_t budget);

  Grid& grid() { return grid_; }
  Counters& counters() { return counters_; }
  const std::uint32_t* index() const { return index_; }
  /// The block's number in its grid, x running fastest.
  std::uint64_t number() const { return number_; }
  void thread_index(std::uint32_t thread, std::uint32_t (&index)[3]) const;
  std::uint32_t threads() const { return threads_; }
  std::uint32_t random() { return static_cast<std::uint32_t>(random_()); }

  void note_progress() { counters_.note_progress(); }

  SharedMemory& shared() { return shared_; }
  AsyncCopies& copies() { return copies_; }
  Mbarriers& mbarriers() { return mbarriers_; }
  Ordering& ordering() { return ordering_; }
  /// The thread's local memory, of the program's `local_bytes`, and its defined bits.
  std::byte* local(std::uint32_t thread) { return local_.data() + thread * local_bytes_; }
  std::uint8_t* local_defined(std::uint32_t thread) {
    return local_defined_.data() + thread * local_bytes_;
  }

  /// Memory::find, remembering the last few.
  Allocation* find_allocation(std::uint64_t address);
  /// Where undefined bits in shared memory come from; 0: nothing was noted.
  std::uint32_t shared_origin(std::uint64_t offset) const;
  void note_shared_origin(std::uint64_t offset, std::uint32_t bytes, std::uint32_t origin);

  Clock& clock(const Warp& warp) { return clocks_[warp.index()]; }
  /// What the warp did so far happened before what comes after: a barrier of its own lanes.
  void synchronize_warp(const Warp& warp) { clocks_[warp.index()].synchronize_lanes(); }

  /// Counts the warp's running fragment in; true when that completes the barrier.
  bool arrive(Warp& warp, const Op& op, const Arrival& arrival);
  /// What the last barrier that the warp left had counted.
  const Barrier& outcome(const Warp& warp) const { return outcomes_[warp.index()]; }
  /// Fewer threads are to come to barriers of all.
  void lanes_exited();

  const std::vector<std::unique_ptr<Warp>>& warps() const { return warps_; }
  /// Ends the launch, which would not end by itself; `what` says why that is thought.
  [[noreturn]] void fault_hang(const std::string& what);
  /// Which threads are where, and what they wait for.
  std::string describe_waiting() const;

 private:
  std::uint32_t alive() const;
  bool complete_if_all_came(std::uint32_t number);
  [[noreturn]] void fault_waiting(HazardKind kind, const std::string& what);
  [[noreturn]] void fault_stuck();

  Grid& grid_;
  Counters& counters_;
  std::uint64_t number_;
  std::uint32_t index_[3];
  std::uint32_t threads_;
  std::mt19937_64 random_;
  SharedMemory shared_;
  AsyncCopies copies_;
  Mbarriers mbarriers_;
  Ordering ordering_;
  std::size_t local_bytes_;
  std::vector<std::byte> local_;
  std::vector<std::uint8_t> local_defined_;
  std::unordered_map<std::uint64_t, std::uint32_t> shared_origins_;  // by word of 4 bytes
  std::array<Allocation*, 4> recent_{};
  std::size_t next_recent_ = 0;
  std::uint64_t recent_version_ = 0;
  std::vector<Clock> clocks_;
  std::array<Barrier, kBarriers> barriers_;
  std::vector<Barrier> outcomes_;  // by warp
  std::vector<std::unique_ptr<Warp>> warps_;
};

}  // namespace virtual_gpu
