// The three truncation strategies, from the right.
#include "tokenizer/truncation.h"

#include <algorithm>
#include <utility>

namespace fusebert {

namespace {

// The shorter text keeps everything that fits beside as much of the longer one; when both are
// longer than half, each gets half, and the odd token goes to the longer one.
Kept longest_first(int64_t first, int64_t second, int64_t max_tokens) {
  int64_t shorter = first;
  int64_t longer = second;
  const bool swap = shorter > longer;
  if (swap) std::swap(shorter, longer);
  longer = shorter > max_tokens ? shorter : std::max(shorter, max_tokens - shorter);
  if (shorter + longer > max_tokens) {
    shorter = max_tokens / 2;
    longer = shorter + max_tokens % 2;
  }
  if (swap) std::swap(shorter, longer);
  return {std::min(first, shorter), std::min(second, longer)};
}

}  // namespace

Result<Kept> truncate(Truncation strategy, int64_t first, std::optional<int64_t> second,
                      int64_t max_tokens) {
  const Kept all{first, second.value_or(0)};
  if (strategy == Truncation::kNone) return all;
  if (max_tokens == 0) return Kept{};
  const int64_t to_remove = all.first + all.second - max_tokens;
  if (to_remove <= 0) return all;
  switch (strategy) {
    case Truncation::kNone: break;
    case Truncation::kLongestFirst:
      if (!second) return Kept{max_tokens, 0};
      return longest_first(all.first, all.second, max_tokens);
    case Truncation::kOnlyFirst:
      if (all.first > to_remove) return Kept{all.first - to_remove, all.second};
      break;
    case Truncation::kOnlySecond:
      if (all.second > to_remove) return Kept{all.first, all.second - to_remove};
      break;
  }
  const bool only_first = strategy == Truncation::kOnlyFirst;
  return Status(StatusCode::kInputTooLong,
                std::string("Expected that truncating ") +
                    (only_first ? "the first text" : "the second text") +
                    " leaves something of it, but the other tokens alone reach max_length. " +
                    "Raise max_length or use truncation 'longest_first'.");
}

}  // namespace fusebert
