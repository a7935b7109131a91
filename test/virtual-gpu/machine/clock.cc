#include "machine/clock.h"

#include <algorithm>

namespace virtual_gpu {
namespace {

using Times = std::map<std::uint64_t, BlockTimes>;

void join_times(BlockTimes& into, const BlockTimes& other) {
  for (std::uint32_t i = 0; i < kMaxWarps; ++i) into[i] = std::max(into[i], other[i]);
}

}  // namespace

Knowledge joined(const Knowledge& one, const Knowledge& other) {
  if (!other || one == other) return one;
  if (!one) return other;
  auto both = std::make_shared<Times>(*one);
  for (const auto& [block, times] : *other) join_times((*both)[block], times);
  return both;
}

void Clock::take(const BlockTimes& times) {
  join_times(time, times);
  if (warp < kMaxWarps) together = std::max(together, times[warp]);
}

void Clock::join(const Clock& other) {
  take(other.time);
  others = joined(others, other.others);
}

Knowledge Clock::all(std::uint64_t block) const {
  auto everything = others ? std::make_shared<Times>(*others) : std::make_shared<Times>();
  everything->insert_or_assign(block, time);
  return everything;
}

void Clock::learn(const Knowledge& what, std::uint64_t block) {
  if (!what) return;
  const auto own = what->find(block);
  if (own == what->end()) {
    others = joined(others, what);
    return;
  }
  take(own->second);
  if (what->size() == 1) return;
  auto rest = std::make_shared<Times>(*what);
  rest->erase(block);
  others = joined(others, rest);
}

bool Clock::knows(std::uint64_t other_block, std::uint32_t other_warp,
                  std::uint32_t when) const {
  if (!others) return false;
  const auto found = others->find(other_block);
  return found != others->end() && when < found->second[other_warp];
}

}  // namespace virtual_gpu
