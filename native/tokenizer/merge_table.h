// The merges of BPE by the two tokens that they join.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace fusebert {

// Most pairs have no merge, which a byte of each slot, kept apart where it stays in a core's cache,
// says as a rule. A look-up reads a few slots, whatever the merges are: the hash has a random
// factor, and another one is taken until no pair is far from its place. Results do not depend on
// it.
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
    const uint8_t mark = mark_of(hash);
    for (size_t i = home(hash); marks_[i] != 0; ++i) {
      if (marks_[i] == mark && slots_[i].key == key) return slots_[i].found;
    }
    return {};
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
  // Of the bits below them; not 0.
  uint8_t mark_of(uint64_t hash) const {
    return static_cast<uint8_t>((hash << (64 - shift_)) >> 56) | 1;
  }

  bool fill(const std::vector<Merge>& merges);

  uint64_t factor_ = 1;
  int shift_ = 0;
  // A pair is in its place or behind it, before the next empty slot. Behind the last place are as
  // many slots as a pair may be away from its own, and an empty one.
  std::vector<Slot> slots_;
  std::vector<uint8_t> marks_;  // of each slot's pair; 0: it is empty
};

}  // namespace fusebert
