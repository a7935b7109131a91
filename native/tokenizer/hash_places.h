// How tables with open addressing and random factors are laid out, so that no content of an
// untrusted file makes them slow.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <random>

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

}  // namespace fusebert
