// Deals out the units of one parallel operation: every thread starts with a contiguous, static
// share and takes its units in order; one that is done early takes from the end of another's share.
// So neighbouring units stay with one thread and its caches, and yet a thread that the system
// interrupts does not make all others wait. Who computes a unit changes no result.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "core/cache_line.h"

namespace fusebert::cpu {

class WorkQueue {
 public:
  explicit WorkQueue(int64_t threads)
      : threads_(threads), shares_(std::make_unique<Share[]>(static_cast<size_t>(threads))) {}

  // Before the operation: units [0, count), count < 2^31.
  void reset(int64_t count) {
    for (int64_t t = 0; t < threads_; ++t) {
      shares_[static_cast<size_t>(t)].range.store(
          pack(count * t / threads_, count * (t + 1) / threads_), std::memory_order_relaxed);
    }
  }

  // Calls task(unit) for one unit after the other until none is left. Called once by every thread.
  template <class Task>
  void work(int64_t thread, const Task& task) {
    for (int64_t i = 0; i < threads_; ++i) {
      std::atomic<uint64_t>& range = shares_[static_cast<size_t>((thread + i) % threads_)].range;
      for (int64_t unit; (unit = take(range, i == 0)) >= 0;) task(unit);
    }
  }

 private:
  // begin in the upper half, end in the lower. A cache line each, for they change often.
  struct alignas(kCacheLineBytes) Share {
    std::atomic<uint64_t> range{0};
  };

  static uint64_t pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }

  // The first unit of a share for its owner, the last for others; -1 when it is empty. Units carry
  // no data of their own, so the order of memory accesses does not matter here.
  static int64_t take(std::atomic<uint64_t>& range, bool owner) {
    uint64_t seen = range.load(std::memory_order_relaxed);
    for (;;) {
      const auto begin = static_cast<int64_t>(seen >> 32);
      const auto end = static_cast<int64_t>(seen & 0xffffffffu);
      if (begin >= end) return -1;
      const uint64_t rest = owner ? pack(begin + 1, end) : pack(begin, end - 1);
      if (range.compare_exchange_weak(seen, rest, std::memory_order_relaxed)) {
        return owner ? begin : end - 1;
      }
    }
  }

  int64_t threads_;
  std::unique_ptr<Share[]> shares_;  // [threads]
};

}  // namespace fusebert::cpu
