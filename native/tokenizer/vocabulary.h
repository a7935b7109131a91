// The vocabulary: token of an id, and a byte trie that finds the longest token a text begins with
// in one walk. Nothing is allocated by a look-up, and no choice of tokens makes one slow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/simd/find_byte.h"

namespace fusebert {

// Of a token that a file may have: bounds the work at one place of a text.
inline constexpr size_t kMaxTokenBytes = 4096;

// Maps byte strings to ids. Built once from keys that are sorted and distinct.
class Trie {
 public:
  struct Entry {
    std::string_view key;
    int32_t id;
  };

  struct Match {
    int32_t id = -1;  // -1: no key is a prefix
    size_t length = 0;
  };

  Trie() = default;
  // `entries` sorted by key, keys distinct and not empty; the keys are not kept.
  explicit Trie(const std::vector<Entry>& entries);

  bool empty() const { return nodes_.size() <= 2; }

  // The longest key that `text` begins with.
  Match longest_prefix(std::string_view text) const {
    Match match;
    if (empty() || text.empty()) return match;
    uint32_t node = root_[static_cast<unsigned char>(text[0])];
    for (size_t depth = 1; node != kNone; ++depth) {
      if (nodes_[node].id >= 0) match = {nodes_[node].id, depth};
      if (depth == text.size()) break;
      node = child(node, static_cast<unsigned char>(text[depth]));
    }
    return match;
  }

  // The id of exactly `key`, or -1.
  int32_t find(std::string_view key) const {
    if (empty() || key.empty()) return -1;
    uint32_t node = root_[static_cast<unsigned char>(key[0])];
    for (size_t depth = 1; node != kNone && depth < key.size(); ++depth) {
      node = child(node, static_cast<unsigned char>(key[depth]));
    }
    return node == kNone ? -1 : nodes_[node].id;
  }

  // Whether some key begins with `byte`.
  bool starts(unsigned char byte) const { return !empty() && root_[byte] != kNone; }

 private:
  static constexpr uint32_t kNone = 0;  // the root is nobody's child

  uint32_t child(uint32_t node, unsigned char byte) const {
    const uint32_t first = nodes_[node].first_child;
    const uint32_t count = nodes_[node + 1].first_child - first;
    const uint32_t index = simd::find_byte(labels_.data() + first, count, byte);
    return index < count ? first + index : kNone;
  }

  struct Node {
    int32_t id;  // -1: no key ends here
    uint32_t first_child;
  };

  // Nodes are in breadth-first order, so the children of a node are neighbours and end where
  // those of the next node begin.
  std::vector<Node> nodes_;  // and one behind the last
  // [nodes], the byte that leads to the node; and kBlockBytes that find_byte may read
  std::vector<unsigned char> labels_;
  std::vector<uint32_t> root_;         // [256] children of the root
};

inline bool token_before(const Trie::Entry& a, const Trie::Entry& b) { return a.key < b.key; }

// The id of exactly `key` in sorted entries, or -1.
inline int32_t find_entry(const std::vector<Trie::Entry>& sorted, std::string_view key) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), Trie::Entry{key, 0},
                                      token_before);
  return found != sorted.end() && found->key == key ? found->id : -1;
}

}  // namespace fusebert
