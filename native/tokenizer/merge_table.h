// The merges of BPE by the two tokens that they join.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "tokenizer/hash_places.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

// Most pairs have no merge, which the marks say as a rule. A look-up reads those of a few slots,
// whatever the merges are: the hash has a random factor, and another one is taken until no pair is
// far from its place. Results do not depend on it.
class MergeTable {
 public:
  static constexpr size_t kMaxMerges = size_t{1} << 22;  // far above any real vocabulary's
  static constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();

  struct Found {
    uint32_t rank = kNoRank;  // lower ones are done first; kNoRank: there is no merge
    int32_t merged = -1;
  };

  MergeTable() : MergeTable(std::vector<Merge>{}) {}
  // At most kMaxMerges. The rank of a merge is its index. Of two for the same tokens the last
  // counts.
  explicit MergeTable(const std::vector<Merge>& merges);

  Found find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    const uint64_t hash = hash_of(key);
    const size_t slot = find_slot(marks_.data(), home(hash), mark_of(hash, shift_),
                                  [&](size_t i) { return slots_[i].key == key; });
    return slot == kNoSlot ? Found{} : slots_[slot].found;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    Found found;
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) |
           static_cast<uint32_t>(right);
  }

  // A product with a random odd factor: any two pairs rarely share its high bits.
  uint64_t hash_of(uint64_t key) const { return key * factor_; }
  size_t home(uint64_t hash) const { return static_cast<size_t>(hash >> shift_); }

  bool fill(const std::vector<Merge>& merges);

  uint64_t factor_ = 1;
  int shift_ = 0;
  // A pair is in its place or behind it, before the next empty slot.
  std::vector<uint8_t> marks_;  // [slots]
  std::vector<Slot> slots_;
};

}  // namespace fusebert
