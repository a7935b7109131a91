// What is kept, and that it is bounded.
#include "tokenizer/word_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace fusebert {
namespace {

WordCache::Entry entry(const std::string& word, int32_t id) {
  WordCache::Entry made{simd::make_key(word.data(), word.size()), {}, {}, 1};
  made.ids[0] = id;
  return made;
}

void insert(WordCache& cache, const WordCache::Entry& made) {
  WordCache::insert(*cache.bucket(made.key), made);
}

int32_t find(WordCache& cache, const std::string& word) {
  const simd::WordKey key = simd::make_key(word.data(), word.size());
  const WordCache::Entry* found = WordCache::find(*cache.bucket(key), key);
  return found == nullptr ? -1 : found->ids[0];
}

TEST(WordCache, FindsWhatWasPutIn) {
  WordCache cache(14);
  EXPECT_EQ(find(cache, "word"), -1);
  insert(cache, entry("word", 1));
  insert(cache, entry("words", 2));
  insert(cache, entry("fifteen letters", 3));
  EXPECT_EQ(find(cache, "word"), 1);
  EXPECT_EQ(find(cache, "words"), 2);
  EXPECT_EQ(find(cache, "fifteen letters"), 3);
  EXPECT_EQ(find(cache, "fifteen letter"), -1);
}

// However many are put in, those found are right, and the newest is always among them.
TEST(WordCache, ForgetsOldWordsAndNothingElse) {
  WordCache cache(14);
  constexpr int32_t kWords = 200'000;
  for (int32_t i = 0; i < kWords; ++i) {
    insert(cache, entry("w" + std::to_string(i), i));
    ASSERT_EQ(find(cache, "w" + std::to_string(i)), i);
  }
  int32_t kept = 0;
  for (int32_t i = 0; i < kWords; ++i) {
    const int32_t found = find(cache, "w" + std::to_string(i));
    ASSERT_TRUE(found == i || found == -1);
    kept += found == i;
  }
  EXPECT_GT(kept, 10'000);
  EXPECT_LT(kept, 40'000);
}

}  // namespace
}  // namespace fusebert
