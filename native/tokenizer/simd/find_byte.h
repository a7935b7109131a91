// The index of a byte among few, sixteen compared at once.
#pragma once

#include "tokenizer/simd/equal_bytes.h"

namespace fusebert::simd {

// The first index below `count` at which `byte` is; `count` or more when there is none. Reads up to
// kBlockBytes - 1 bytes behind the last.
inline uint32_t find_byte(const unsigned char* bytes, uint32_t count, unsigned char byte) {
  for (uint32_t index = 0; index < count; index += kBlockBytes) {
    const ByteSet equal = equal_bytes(bytes + index, byte);
    if (!equal.empty()) return index + equal.first();
  }
  return count;
}

}  // namespace fusebert::simd
