// Words that were found in a text and are looked up a few words later: the cache of words is larger
// than what lies near the processor, and by then it has been asked for their places in it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "tokenizer/span.h"
#include "tokenizer/word_cache.h"

namespace fusebert {

class WordsAhead {
 public:
  struct Word {
    simd::WordKey key;
    WordCache::Bucket* bucket;
    uint32_t length;
    int32_t start;  // of its span, where spans are kept

    // Of the bytes [from, to) of a word each of whose characters is a byte.
    Span span(size_t from, size_t to) const {
      return {start + static_cast<int32_t>(from), start + static_cast<int32_t>(to)};
    }
  };

  explicit WordsAhead(WordCache& cache) : cache_(cache) {}

  // Adds a word at the end. False when there is no room for another: then take().
  bool add(const simd::WordKey& key, uint32_t length, int32_t start) {
    words_[count_++] = {key, cache_.bucket(key), length, start};
    return count_ < words_.size();
  }

  // All words in their order, which are gone then; valid until the next is added.
  std::span<const Word> take() { return {words_.data(), std::exchange(count_, 0)}; }

 private:
  // Enough for memory that is not in the processor's caches, few enough to stay there.
  static constexpr size_t kWords = 16;

  WordCache& cache_;
  std::array<Word, kWords> words_;
  size_t count_ = 0;
};

}  // namespace fusebert
