// Taking a share, and words for sizes.
#include "cuda/driver/memory_budget.h"

#include <array>
#include <cstdio>

namespace fusebert::cuda {

std::string mebibytes(std::size_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB", static_cast<double>(bytes) / kMebibyte);
  return text.data();
}

Result<MemoryBudget::Share> MemoryBudget::take(const BudgetPointer& budget, std::size_t bytes) {
  if (budget == nullptr) return Share();
  const auto more = static_cast<std::int64_t>(bytes);
  if (budget->limit_ > 0 && more > budget->limit_ - budget->used_) {
    return Status(StatusCode::kOutOfMemory,
                  "Expected at most " + mebibytes(static_cast<std::size_t>(budget->limit_)) +
                      " of device memory, as max_device_bytes says, but the model needs " +
                      mebibytes(bytes) + " besides the " +
                      mebibytes(static_cast<std::size_t>(budget->used_)) + " that it has.");
  }
  budget->used_ += more;
  return Share(budget, more);
}

}  // namespace fusebert::cuda
