// Fills the table of merges, anew with another factor where pairs crowd.
#include "tokenizer/merge_table.h"

#include <algorithm>
#include <bit>
#include <random>

namespace fusebert {

namespace {

// Of a pair from its place. At half full the farthest of 65,536 random ones is expected within 57:
// the share of those farther than d falls by exp(-0.193 d).
constexpr size_t kMaxDistance = 64;
constexpr size_t kLeastPlaces = 16;
constexpr int kTriesEachSize = 4;

uint64_t random_odd(std::random_device& random) {
  return (static_cast<uint64_t>(random()) << 32) | random() | 1;
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  std::random_device random;
  // At most half of the places are taken.
  size_t places = std::bit_ceil(std::max(kLeastPlaces, 2 * merges.size()));
  for (int tries = 1;; ++tries) {
    factor_ = random_odd(random);
    shift_ = 64 - std::countr_zero(places);
    slots_.assign(places + kMaxDistance + 1, Slot{});
    if (fill(merges)) return;
    if (tries % kTriesEachSize == 0) places *= 2;
  }
}

bool MergeTable::fill(const std::vector<Merge>& merges) {
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    const uint64_t key = key_of(merge.left, merge.right);
    size_t i = home(key);
    const size_t last = i + kMaxDistance;
    while (i < last && slots_[i].found.rank != kNoRank && slots_[i].key != key) ++i;
    if (i == last) return false;
    slots_[i] = {key, {static_cast<uint32_t>(rank), merge.merged}};
  }
  return true;
}

}  // namespace fusebert
