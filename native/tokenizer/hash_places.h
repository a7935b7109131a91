// How tables with open addressing and random factors are laid out, so that no content of an
// untrusted file makes them slow.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>

namespace fusebert {

// Of a key from its place. At half full the farthest of 65,536 random ones is expected within 57:
// the share of those farther than d falls by exp(-0.193 d).
inline constexpr size_t kMaxDistance = 64;

// Calls fill(places, shift, random) until it has found a slot for every key: with other factors
// each time, and now and then with more places. `places` is a power of two and at least twice
// `keys`; `shift` moves a hash's high bits to a place. random() is an odd factor.
template <typename Fill>
void find_places(size_t keys, Fill&& fill) {
  constexpr size_t kLeastPlaces = 16;
  constexpr int kTriesEachSize = 4;
  std::random_device device;
  const auto random = [&] { return (static_cast<uint64_t>(device()) << 32) | device() | 1; };
  size_t places = std::bit_ceil(std::max(kLeastPlaces, 2 * keys));
  for (int tries = 1; !fill(places, 64 - std::countr_zero(places), random); ++tries) {
    if (tries % kTriesEachSize == 0) places *= 2;
  }
}

}  // namespace fusebert
