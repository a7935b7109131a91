// The three truncation strategies, from the right.
#include "tokenizer/truncation.h"

#include <algorithm>
#include <string>
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

// More would be a mistake: the number is that of the combinations of two texts.
constexpr size_t kMaxWindows = size_t{1} << 20;

Status too_many_windows() {
  return Status(StatusCode::kInputTooLong,
                "Expected texts that are cut into at most " + std::to_string(kMaxWindows) +
                    " sequences. Raise max_length or lower the stride.");
}

// The windows of one text, the first included.
Result<std::vector<Window>> windows_of(int64_t length, int64_t kept, int64_t stride) {
  std::vector<Window> windows{{0, kept}};
  if (kept == length) return windows;
  if (kept == 0) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected a max_length that leaves tokens of a text beside the special ones, "
                  "where overflowing tokens are wanted. Raise max_length.");
  }
  if (stride >= kept) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected a stride of less than " + std::to_string(kept) +
                      ", the tokens that max_length leaves of a text, but received " +
                      std::to_string(stride) + ".");
  }
  if ((length - kept) / (kept - stride) > static_cast<int64_t>(kMaxWindows)) {
    return too_many_windows();
  }
  for (int64_t begin = 0; begin + kept < length;) {
    begin += kept - stride;
    windows.push_back({begin, std::min(kept, length - begin)});
  }
  return windows;
}

}  // namespace

Status add_overflowing(const Kept& kept, const TextLengths& lengths, int64_t stride,
                       std::vector<WindowPair>& windows) {
  const auto first = windows_of(lengths.first, kept.first, stride);
  if (!first.ok()) return first.status();
  const auto second = windows_of(lengths.second, kept.second, stride);
  if (!second.ok()) return second.status();
  if (first.value().size() > kMaxWindows / second.value().size()) {
    return too_many_windows();
  }
  // What overflows of the first text comes before its beginning with what overflows of the second.
  for (size_t i = 1; i < first.value().size(); ++i) {
    for (const Window& other : second.value()) windows.push_back({first.value()[i], other});
  }
  for (size_t i = 1; i < second.value().size(); ++i) {
    windows.push_back({first.value().front(), second.value()[i]});
  }
  return Status();
}

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
