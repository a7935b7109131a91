// The vocabulary: token of an id, and a byte trie that finds the longest token a text begins with
// in one walk. Nothing is allocated by a look-up, and no choice of tokens makes one slow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fusebert {

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

  bool empty() const { return ids_.size() <= 1; }

  // The longest key that `text` begins with.
  Match longest_prefix(std::string_view text) const {
    Match match;
    if (empty() || text.empty()) return match;
    uint32_t node = root_[static_cast<unsigned char>(text[0])];
    for (size_t depth = 1; node != kNone; ++depth) {
      if (ids_[node] >= 0) match = {ids_[node], depth};
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
    return node == kNone ? -1 : ids_[node];
  }

  // Whether some key begins with `byte`.
  bool starts(unsigned char byte) const { return !empty() && root_[byte] != kNone; }

 private:
  static constexpr uint32_t kNone = 0;  // the root is nobody's child

  uint32_t child(uint32_t node, unsigned char byte) const {
    const uint32_t end = first_child_[node + 1];
    for (uint32_t next = first_child_[node]; next < end; ++next) {
      if (labels_[next] == byte) return next;
    }
    return kNone;
  }

  // Nodes are in breadth-first order, so the children of a node are neighbours and end where
  // those of the next node begin.
  std::vector<int32_t> ids_;           // [nodes], -1: no key ends here
  std::vector<uint32_t> first_child_;  // [nodes + 1]
  std::vector<unsigned char> labels_;  // [nodes], the byte that leads to the node
  std::vector<uint32_t> root_;         // [256] children of the root
};

}  // namespace fusebert
