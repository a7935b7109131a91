// How tables with open addressing and random factors are laid out, so that no content of an
// untrusted file makes them slow. Beside its slots a table has marks, a byte for each: most keys
// that are not in it are told by them alone, and they stay in a core's cache where slots do not.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <random>

#include "tokenizer/simd/equal_bytes.h"

namespace fusebert {

// Of a key from its place. At half full the farthest of 65,536 random ones is expected within 57:
// the share of those farther than d falls by exp(-0.193 d).
inline constexpr size_t kMaxDistance = 64;

// Calls fill(places, shift, random) until it has found a slot for every key: with other factors
// each time, and with more places where it fails again and again. `places` is a power of two and at
// least twice `keys`; `shift` moves a hash's high bits to a place. random() is an odd factor.
// std::bad_alloc where no table will do, which no keys that hash well bring about.
template <typename Fill>
void find_places(size_t keys, Fill&& fill) {
  constexpr size_t kLeastPlaces = 16;
  // So many keys that one is farther away more often than not.
  constexpr size_t kManyKeys = size_t{1} << 17;
  constexpr int kTriesEachSize = 4;
  constexpr size_t kMostGrowth = 64;
  std::random_device device;
  const auto random = [&] { return (static_cast<uint64_t>(device()) << 32) | device() | 1; };
  const size_t least = std::bit_ceil(std::max(kLeastPlaces, 2 * keys));
  const int tries_each_size = keys > kManyKeys ? 1 : kTriesEachSize;
  for (size_t places = least; places <= least * kMostGrowth; places *= 2) {
    for (int i = 0; i < tries_each_size; ++i) {
      if (fill(places, 64 - std::countr_zero(places), random)) return;
    }
  }
  throw std::bad_alloc();
}

// Slots for keys that have these places. A key lies at most kMaxDistance - 1 behind its own, so the
// last kBlockBytes slots and one stay empty: they end every search, within the marks.
inline size_t slots_for(size_t places) { return places + kMaxDistance + simd::kBlockBytes; }

inline constexpr uint8_t kEmptyMark = 0;

// Of a key with this hash, by bits below those of its place; never kEmptyMark.
inline uint8_t mark_of(uint64_t hash, int shift) {
  return static_cast<uint8_t>((hash << (64 - shift)) >> 56) | 1;
}

inline constexpr size_t kNoSlot = ~size_t{0};

// The slot from `place` on, before the next empty one, that has the mark and for which is_key(slot)
// is true; kNoSlot when there is none.
template <typename IsKey>
size_t find_slot(const uint8_t* marks, size_t place, uint8_t mark, IsKey&& is_key) {
  for (size_t slot = place;; slot += simd::kBlockBytes) {
    const simd::ByteSet ends = simd::equal_bytes(marks + slot, kEmptyMark);
    simd::ByteSet marked = simd::equal_bytes(marks + slot, mark).before(ends);
    for (; !marked.empty(); marked.remove_first()) {
      if (is_key(slot + marked.first())) return slot + marked.first();
    }
    if (!ends.empty()) return kNoSlot;
  }
}

}  // namespace fusebert
