// Lends what encoding works with to one thread at a time, so that a tokenizer's caches live as long
// as it does and are no more than the threads that ever used it at once.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "tokenizer/encode_scratch.h"

namespace fusebert {

class ScratchPool {
 public:
  // `cache_bits`: of the cache of words, the same in every call.
  std::unique_ptr<EncodeScratch> take(int cache_bits) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::swap(*nearest(), idle_.back());
        auto scratch = std::move(idle_.back().scratch);
        idle_.pop_back();
        return scratch;
      }
      // Giving back allocates nothing.
      idle_.reserve(made_ + 1);
      ++made_;
    }
    return std::make_unique<EncodeScratch>(cache_bits);
  }

  // Of take(), without fail.
  void give_back(std::unique_ptr<EncodeScratch> scratch) {
    scratch->trim();
    const std::lock_guard lock(mutex_);
    idle_.push_back({std::move(scratch), processor()});
  }

 private:
  struct Idle {
    std::unique_ptr<EncodeScratch> scratch;
    int processor;  // that it was used on
  };

  // A hint: -1 where the system does not tell.
  static int processor() {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
  }

  // What this processor used last, which its own cache may still have; else what anyone did.
  Idle* nearest() {
    const int here = processor();
    for (auto idle = idle_.rbegin(); idle != idle_.rend(); ++idle) {
      if (idle->processor == here) return &*idle;
    }
    return &idle_.back();
  }

  std::mutex mutex_;
  size_t made_ = 0;
  std::vector<Idle> idle_;  // used last: at the end
};

}  // namespace fusebert
