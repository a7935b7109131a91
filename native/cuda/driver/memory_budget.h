// How much device memory one model may have, and how much it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/status.h"

namespace fusebert::cuda {

class MemoryBudget {
 public:
  // A part of a budget in use, given back when it goes.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (budget_ != nullptr) budget_->used_ -= bytes_;
    }

   private:
    friend class MemoryBudget;
    Share(std::shared_ptr<MemoryBudget> budget, std::int64_t bytes)
        : budget_(std::move(budget)), bytes_(bytes) {}

    std::shared_ptr<MemoryBudget> budget_;
    std::int64_t bytes_ = 0;
  };

  // `limit` in bytes; 0 for none.
  explicit MemoryBudget(std::int64_t limit) : limit_(limit) {}

  // kOutOfMemory, with the numbers, when the limit would be exceeded. No budget, no limit. Used by
  // one thread at a time, as backends are.
  static Result<Share> take(const std::shared_ptr<MemoryBudget>& budget, std::size_t bytes);

  std::int64_t used() const { return used_; }

 private:
  std::int64_t limit_;
  std::int64_t used_ = 0;
};

using BudgetPointer = std::shared_ptr<MemoryBudget>;

// "12 MiB", or "12 KiB" of less than one.
std::string size_text(std::size_t bytes);

}  // namespace fusebert::cuda
