// Taking a share, and words for sizes.
#include "cuda/driver/memory_budget.h"

namespace fusebert::cuda {

std::string size_text(std::size_t bytes) {
  constexpr std::size_t kKibibyte = 1024, kMebibyte = kKibibyte * kKibibyte;
  return bytes < kMebibyte ? std::to_string((bytes + kKibibyte - 1) / kKibibyte) + " KiB"
                           : std::to_string(bytes / kMebibyte) + " MiB";
}

Result<MemoryBudget::Share> MemoryBudget::take(const BudgetPointer& budget, std::size_t bytes) {
  if (budget == nullptr) return Share();
  const auto more = static_cast<std::int64_t>(bytes);
  if (budget->limit_ > 0 && more > budget->limit_ - budget->used_) {
    return Status(StatusCode::kOutOfMemory,
                  "Expected at most " + size_text(static_cast<std::size_t>(budget->limit_)) +
                      " of device memory, as max_device_bytes says, but the model needs " +
                      size_text(bytes) + " besides the " +
                      size_text(static_cast<std::size_t>(budget->used_)) + " that it has.");
  }
  budget->used_ += more;
  return Share(budget, more);
}

}  // namespace fusebert::cuda
