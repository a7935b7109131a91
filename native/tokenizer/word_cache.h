// Tokens of words seen before, so that a word that comes again is not cut again. Bounded: a new
// word takes the place of the older of the two in its bucket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/cache_line.h"
#include "tokenizer/simd/prefetch.h"
#include "tokenizer/simd/word_key.h"

namespace fusebert {

class WordCache {
 public:
  // Of a word that is kept. It has no zero in it, so that the one behind tells it from longer ones.
  static constexpr size_t kMaxWordBytes = simd::kBlockBytes - 1;
  static constexpr size_t kMaxTokens = 3;

  // Half a cache line. `count` is 0 where there is no word.
  struct Entry {
    simd::WordKey key;
    std::array<int32_t, kMaxTokens> ids;
    std::array<uint8_t, kMaxTokens> ends;  // of each token, in bytes of the word
    uint8_t count = 0;
  };

  // Where a word would be.
  struct alignas(kCacheLineBytes) Bucket {
    std::array<Entry, 2> entries;
  };

  // 2^bucket_bits buckets of 64 bytes: at least 1.
  explicit WordCache(int bucket_bits)
      : shift_(64 - bucket_bits), buckets_(size_t{1} << bucket_bits) {}

  // The word's bucket, which the processor is asked to bring near.
  Bucket* bucket(const simd::WordKey& key) {
    Bucket* const found = &buckets_[index(key)];
    simd::prefetch(found);
    return found;
  }

  // The entry of a word in its bucket, or null. A key of zeros is nobody's. It comes first in its
  // bucket then, where frequent words are found without a surprise for the processor's prediction.
  static const Entry* find(Bucket& bucket, const simd::WordKey& key) {
    if (bucket.entries[0].key.equals(key)) return &bucket.entries[0];
    if (!bucket.entries[1].key.equals(key)) return nullptr;
    std::swap(bucket.entries[0], bucket.entries[1]);
    return &bucket.entries[0];
  }

  // Of a word in its bucket, where it is not yet.
  static void insert(Bucket& bucket, const Entry& entry) {
    bucket.entries[1] = bucket.entries[0];
    bucket.entries[0] = entry;
  }

 private:
  // Multiplication by odd constants (of the golden ratio, and of xxHash64) spreads the bytes to
  // the high bits.
  size_t index(const simd::WordKey& key) const {
    const uint64_t mixed = key.low ^ (key.high * 0xC2B2AE3D27D4EB4FULL);
    return static_cast<size_t>((mixed * 0x9E3779B97F4A7C15ULL) >> shift_);
  }

  int shift_;
  std::vector<Bucket> buckets_;
};

static_assert(sizeof(WordCache::Entry) == 32);

}  // namespace fusebert
