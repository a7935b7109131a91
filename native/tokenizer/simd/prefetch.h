// Asks the processor to bring a cache line near. A hint: without it everything is the same, later.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace fusebert::simd {

inline void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#elif defined(_M_ARM64)
  __prefetch(address);
#endif
}

}  // namespace fusebert::simd
