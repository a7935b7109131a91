// Lends what encoding works with to one thread at a time, so that a tokenizer's caches live as long
// as it does and are no more than the threads that ever used it at once.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tokenizer/encode_scratch.h"

namespace fusebert {

class ScratchPool {
 public:
  // A loan, which ends with it.
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<EncodeScratch> scratch)
        : pool_(pool), scratch_(std::move(scratch)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(std::move(scratch_)); }
    EncodeScratch* operator->() const { return scratch_.get(); }
    EncodeScratch& operator*() const { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<EncodeScratch> scratch_;
  };

  // `cache_bits`: of the cache of words, the same in every call.
  Lease take(int cache_bits) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto scratch = std::move(idle_.back());
        idle_.pop_back();
        return Lease(*this, std::move(scratch));
      }
    }
    return Lease(*this, std::make_unique<EncodeScratch>(cache_bits));
  }

 private:
  void give_back(std::unique_ptr<EncodeScratch> scratch) {
    scratch->trim();
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(scratch));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeScratch>> idle_;
};

}  // namespace fusebert
