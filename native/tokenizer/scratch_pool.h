// Lends what encoding works with to one thread at a time, so that a tokenizer's caches live as long
// as it does and are no more than the threads that ever used it at once.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/processor.h"
#include "tokenizer/encode_scratch.h"

namespace fusebert {

class ScratchPool {
 public:
  // `cache_bits`: of the cache of words, the same in every call.
  std::unique_ptr<EncodeScratch> take(int cache_bits) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        const auto found = nearest();
        auto scratch = std::move(found->scratch);
        idle_.erase(found);
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
    idle_.push_back({std::move(scratch), current_processor()});
  }

 private:
  struct Idle {
    std::unique_ptr<EncodeScratch> scratch;
    int processor;  // that it was used on
  };

  // What this processor used last, which its own cache may still have; else what anyone did.
  std::vector<Idle>::iterator nearest() {
    const int here = current_processor();
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                    [&](const Idle& idle) { return idle.processor == here; });
    return found == idle_.rend() ? idle_.end() - 1 : found.base() - 1;
  }

  std::mutex mutex_;
  size_t made_ = 0;
  std::vector<Idle> idle_;  // used last: at the end
};

}  // namespace fusebert
