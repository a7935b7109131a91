// Tokens that a word's key can hold, by that key: what a short word is cut with.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/hash_places.h"
#include "tokenizer/simd/block.h"
#include "tokenizer/simd/word_key.h"
#include "tokenizer/vocabulary.h"

namespace fusebert {

// Only lengths are looked up that some token with such a beginning has, and a look-up reads the
// marks of a few neighbouring slots and seldom more than one key; they do not wait for one another
// as the steps of a walk do. No vocabulary makes one slow: the hash has random factors, and others
// are taken until no token is far from its place. Results do not depend on them.
class TokenTable {
 public:
  TokenTable() : TokenTable(std::vector<Trie::Entry>{}) {}
  // Keys distinct. Those of no or more than kBlockBytes bytes, or with a zero among them, are left
  // out.
  explicit TokenTable(const std::vector<Trie::Entry>& entries);

  // The id of exactly the key, or -1.
  int32_t find(const simd::WordKey& key) const {
    const uint64_t hash = hash_of(key);
    const size_t slot = find_slot(marks_.data(), home(hash), mark_of(hash, shift_),
                                  [&](size_t i) { return keys_[i].equals(key); });
    return slot == kNoSlot ? -1 : ids_[slot];
  }

  // The longest token that a word begins with, whose first `size` bytes are the first in the block.
  Trie::Match longest_prefix(const simd::Block& word, size_t size) const {
    uint32_t lengths = lengths_[beginning(word.key(kBeginning, 0))] | kShort;
    lengths &= (uint32_t{2} << size) - 1;
    while (lengths != 0) {
      const auto length = static_cast<uint32_t>(std::bit_width(lengths) - 1);
      const int32_t id = find(word.key(length, 0));
      if (id >= 0) return {id, length};
      lengths ^= uint32_t{1} << length;
    }
    return {};
  }

 private:
  // Bytes that tokens are told apart by before they are looked up, and bits of the lengths of those
  // that have fewer.
  static constexpr uint32_t kBeginning = 3;
  static constexpr uint32_t kShort = 0b110;

  // Pair-multiply-shift (Thorup, "High Speed Hashing for Integers and Strings"): the chance that
  // two keys share a place is about 1 in as many as there are, whichever bits they differ in.
  uint64_t hash_of(const simd::WordKey& key) const {
    const auto mix = [](uint64_t bytes, uint64_t a, uint64_t b) {
      return ((bytes & 0xFFFFFFFF) + a) * ((bytes >> 32) + b);
    };
    return mix(key.low, factors_[0], factors_[1]) + mix(key.high, factors_[2], factors_[3]);
  }
  size_t home(uint64_t hash) const { return static_cast<size_t>(hash >> shift_); }

  size_t beginning(const simd::WordKey& key) const {
    return static_cast<size_t>((key.low * factors_[0]) >> beginning_shift_);
  }

  bool fill(const std::vector<Trie::Entry>& entries);

  std::array<uint64_t, 4> factors_{};
  int shift_ = 0;
  int beginning_shift_ = 0;
  // A token is in its place or behind it, before the next empty slot.
  std::vector<uint8_t> marks_;       // [slots]
  std::vector<simd::WordKey> keys_;  // [slots]
  std::vector<int32_t> ids_;         // [slots]
  // Bit n: of tokens that may begin so, one has n bytes.
  std::vector<uint32_t> lengths_;
};

}  // namespace fusebert
