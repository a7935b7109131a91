// Sizes that batches are rounded up to, and the graphs that are kept for them.
#include "cuda/encoder/batch_shape.h"

#include <gtest/gtest.h>

#include "cuda/encoder/graph_cache.h"

namespace fusebert::cuda::testing {
namespace {

TEST(BatchShape, TokenBucketsHoldTheirTokensWithLittleRoomToSpare) {
  std::int64_t last = 0;
  for (std::int64_t tokens = 1; tokens <= 1 << 16; ++tokens) {
    const std::int64_t bucket = token_bucket(tokens);
    ASSERT_GE(bucket, tokens);
    ASSERT_EQ(bucket % 16, 0);
    ASSERT_LE(bucket - tokens, std::max<std::int64_t>(15, tokens / 8));
    ASSERT_GE(bucket, last);
    ASSERT_EQ(token_bucket(bucket), bucket);
    last = bucket;
  }
}

TEST(BatchShape, AnOctaveHasEightTokenBuckets) {
  EXPECT_EQ(token_bucket(1), 16);
  EXPECT_EQ(token_bucket(128), 128);
  EXPECT_EQ(token_bucket(129), 144);
  EXPECT_EQ(token_bucket(256), 256);
  EXPECT_EQ(token_bucket(257), 288);
  for (std::int64_t octave = 128; octave <= 1 << 14; octave *= 2) {
    int buckets = 0;
    for (std::int64_t tokens = octave + 1; tokens <= 2 * octave; ++tokens) {
      buckets += token_bucket(tokens) == tokens ? 1 : 0;
    }
    EXPECT_EQ(buckets, 8);
  }
}

TEST(BatchShape, BlockBucketsArePowersOfTwo) {
  EXPECT_EQ(block_bucket(0), 0);  // no launch
  EXPECT_EQ(block_bucket(1), 1);
  EXPECT_EQ(block_bucket(5), 8);
  EXPECT_EQ(block_bucket(1024), 1024);
  EXPECT_EQ(block_bucket(1025), 2048);
}

TEST(GraphCache, RecordsWhatComesAgain) {
  GraphCache cache;
  const GraphCache::Key key{0, {.tokens = 16, .short_blocks = 1, .long_blocks = 0}};
  EXPECT_FALSE(cache.find(key).worth_recording());
  EXPECT_TRUE(cache.find(key).worth_recording());
  EXPECT_TRUE(cache.find(key).worth_recording());
  EXPECT_FALSE(cache.find({1, key.shape}).worth_recording());
  EXPECT_EQ(cache.size(), 2u);
}

TEST(GraphCache, DropsWhatWasUnusedLongest) {
  GraphCache cache;
  const auto key = [](std::size_t i) {
    return GraphCache::Key{0, {.tokens = static_cast<std::int64_t>(i), .short_blocks = 1}};
  };
  for (std::size_t i = 0; i < GraphCache::kMostEntries; ++i) cache.find(key(i));
  cache.find(key(0));                         // used again: the second is the oldest now
  cache.find(key(GraphCache::kMostEntries));  // one too many
  EXPECT_EQ(cache.size(), GraphCache::kMostEntries);
  EXPECT_TRUE(cache.find(key(0)).worth_recording());
  EXPECT_FALSE(cache.find(key(1)).worth_recording());
}

}  // namespace
}  // namespace fusebert::cuda::testing
