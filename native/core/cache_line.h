// What processors take from memory at once: what different threads write lies so far apart.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fusebert {

inline constexpr size_t kCacheLineBytes = 64;
inline constexpr int64_t kCacheLineFloats = kCacheLineBytes / sizeof(float);

}  // namespace fusebert
