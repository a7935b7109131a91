// Builds the trie breadth first from sorted keys: a node is a range of keys with a common prefix.
#include "tokenizer/vocabulary.h"

namespace fusebert {

Trie::Trie(const std::vector<Entry>& entries) : root_(256, kNone) {
  struct Range {
    size_t begin;
    size_t end;
    size_t depth;  // length of the common prefix
  };
  std::vector<Range> level{{0, entries.size(), 0}};
  std::vector<Range> next_level;
  nodes_.push_back({-1, 0});
  labels_.push_back(0);
  size_t parent = 0;
  while (!level.empty()) {
    next_level.clear();
    for (const Range& range : level) {
      nodes_[parent++].first_child = static_cast<uint32_t>(nodes_.size());
      size_t begin = range.begin;
      // A key that ends here sorts before the longer ones.
      if (begin < range.end && entries[begin].key.size() == range.depth) ++begin;
      while (begin < range.end) {
        const char label = entries[begin].key[range.depth];
        size_t end = begin + 1;
        while (end < range.end && entries[end].key[range.depth] == label) ++end;
        const bool terminal = entries[begin].key.size() == range.depth + 1;
        if (range.depth == 0) {
          root_[static_cast<unsigned char>(label)] = static_cast<uint32_t>(nodes_.size());
        }
        nodes_.push_back({terminal ? entries[begin].id : -1, 0});
        labels_.push_back(static_cast<unsigned char>(label));
        next_level.push_back({begin, end, range.depth + 1});
        begin = end;
      }
    }
    level.swap(next_level);
  }
  nodes_.push_back({-1, static_cast<uint32_t>(nodes_.size())});
  labels_.resize(labels_.size() + simd::kBlockBytes);
}

}  // namespace fusebert
