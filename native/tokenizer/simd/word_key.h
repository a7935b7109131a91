// The first bytes of a word as two integers, zeros behind them: what words are compared by.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fusebert::simd {

inline constexpr size_t kBlockBytes = 16;

struct WordKey {
  uint64_t low = 0;   // bytes 0 to 7
  uint64_t high = 0;  // bytes 8 to 15

  // Without a branch.
  bool equals(const WordKey& other) const {
    return ((low ^ other.low) | (high ^ other.high)) == 0;
  }
};

// The bytes of a word of at most kBlockBytes.
inline WordKey make_key(const char* bytes, size_t length) {
  char padded[kBlockBytes] = {};
  std::memcpy(padded, bytes, length);
  WordKey key;
  std::memcpy(&key.low, padded, 8);
  std::memcpy(&key.high, padded + 8, 8);
  return key;
}

// Whether one of the first `length` bytes is 0; at most kBlockBytes.
inline bool has_zero(const WordKey& key, size_t length) {
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  const auto zeros = [](uint64_t bytes) { return (bytes - kOnes) & ~bytes & (kOnes << 7); };
  // The lowest mark is exact, whatever is above it.
  const uint64_t low = zeros(key.low);
  const uint64_t high = zeros(key.high);
  const auto first = [](uint64_t marks) { return static_cast<size_t>(std::countr_zero(marks)); };
  return first(low) / 8 < std::min<size_t>(length, 8) || first(high) / 8 + 8 < length;
}

// The kBlockBytes bytes of a key.
inline void key_bytes(const WordKey& key, char* bytes) {
  std::memcpy(bytes, &key.low, 8);
  std::memcpy(bytes + 8, &key.high, 8);
}

}  // namespace fusebert::simd
