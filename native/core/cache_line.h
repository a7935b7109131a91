// What processors take from memory at once: what different threads write lies so far apart.
#pragma once

#include <cstddef>

namespace fusebert {

inline constexpr size_t kCacheLineBytes = 64;

}  // namespace fusebert
