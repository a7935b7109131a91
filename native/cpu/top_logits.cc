// One pass with a heap of the largest so far, the least of them in front.
#include "cpu/top_logits.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "backend/backend.h"

namespace fusebert::cpu {
namespace {

struct Entry {
  float value;
  int32_t column;
};

// Whether `a` comes before `b`: a total order, so that the result does not depend on the search.
bool before(const Entry& a, const Entry& b) {
  const bool a_is_nan = std::isnan(a.value), b_is_nan = std::isnan(b.value);
  if (a_is_nan != b_is_nan) return b_is_nan;
  if (!a_is_nan && a.value != b.value) return a.value > b.value;
  return a.column < b.column;
}

}  // namespace

void find_top_logits(const float* logits, int64_t columns, int32_t count, int32_t* top_columns,
                     float* top_values) {
  std::array<Entry, TopLogits::kMost> entries;
  const auto end = entries.begin() + count;
  for (int32_t column = 0; column < count; ++column) {
    entries[static_cast<size_t>(column)] = {logits[column], column};
  }
  std::make_heap(entries.begin(), end, before);
  for (auto column = count; column < static_cast<int32_t>(columns); ++column) {
    const Entry entry{logits[column], column};
    if (!before(entry, entries.front())) continue;
    std::pop_heap(entries.begin(), end, before);
    *(end - 1) = entry;
    std::push_heap(entries.begin(), end, before);
  }
  std::sort_heap(entries.begin(), end, before);
  for (auto entry = entries.begin(); entry != end; ++entry) {
    *top_columns++ = entry->column;
    *top_values++ = entry->value;
  }
}

float log_sum_exp(const float* logits, int64_t columns, float largest) {
  double sum = 0;
  for (int64_t column = 0; column < columns; ++column) {
    sum += static_cast<double>(std::exp(logits[column] - largest));
  }
  return static_cast<float>(static_cast<double>(largest) + std::log(sum));
}

}  // namespace fusebert::cpu
