// Asks the processor to bring a cache line near. A hint: without it everything is the same, later.
#pragma once

namespace fusebert::simd {

inline void prefetch(const void* address) { __builtin_prefetch(address); }

}  // namespace fusebert::simd
