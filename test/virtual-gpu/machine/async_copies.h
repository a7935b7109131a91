// Copies from global to shared memory that a block's threads have started and not waited for.
//
// They arrive as late as the ISA allows: when their thread waits for their group, or when a barrier
// that they report to is asked. Until then the destination is poisoned and nobody may touch it. The
// source must not change either: it is compared with what it was when the copy was started.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "machine/shared_memory.h"
#include "machine/warp.h"

namespace virtual_gpu {

struct AsyncCopy {
  static constexpr std::uint32_t kMaxBytes = 16;

  std::uint32_t to = 0;             // offset in shared memory
  std::uint32_t bytes = 0;          // 4, 8 or 16; those after `source_bytes` become zeros
  std::uint32_t source_bytes = 0;
  std::uint64_t from = 0;           // address in device memory
  std::uint32_t pc = 0;             // of the instruction that started it
  std::uint32_t group = 0;          // number of its group in its thread
  std::uint64_t number = 0;         // its own in its thread
  std::array<std::byte, kMaxBytes> seen{};  // the source when the copy was started
};

class AsyncCopies {
 public:
  explicit AsyncCopies(std::uint32_t threads) : threads_(threads) {}

  /// Starts a copy of the lane. Faults where the destination is in use.
  void start(Warp& warp, const Op& op, std::uint32_t lane, AsyncCopy copy);
  /// Closes the lane's present group.
  void commit(Warp& warp, std::uint32_t lane);
  /// Lets arrive all but the lane's `latest` last committed groups; with `all` those that are not
  /// committed as well.
  void wait(Warp& warp, const Op& op, std::uint32_t lane, std::uint32_t latest, bool all);
  /// How many the lane has started.
  std::uint64_t started(Warp& warp, std::uint32_t lane) { return thread_of(warp, lane).started; }
  /// Lets arrive the first `count` that the lane started; they count as its writes of `when`.
  void wait_for_first(Warp& warp, const Op& op, std::uint32_t lane, std::uint64_t count,
                      const Clock& when);

 private:
  struct Thread {
    std::uint32_t group = 0;        // the number of the one that is open
    std::uint64_t started = 0;
    std::vector<AsyncCopy> copies;  // in the order they were started in
  };

  template <typename Pred>
  void land_while(Warp& warp, const Op& op, const Accessor& who, Pred pred);
  void land(Warp& warp, const Op& op, const Accessor& who, const AsyncCopy& copy);
  Thread& thread_of(Warp& warp, std::uint32_t lane);

  std::vector<Thread> threads_;
};

}  // namespace virtual_gpu
