// Ranges of the original text, and counting in it.
#pragma once

#include <cstdint>

namespace fusebert {

// Half-open range of the original text, in the unit of a Cursor.
struct Span {
  int32_t start = 0;
  int32_t end = 0;
};

// Counts positions in the original text, in code points or UTF-16 units.
struct Cursor {
  bool utf16 = false;
  int32_t position = 0;

  Span advance(char32_t code_point) {
    const int32_t start = position;
    position += utf16 && code_point >= 0x10000 ? 2 : 1;
    return {start, position};
  }

  // Over ASCII, a unit each.
  Span advance_ascii(size_t bytes) {
    const int32_t start = position;
    position += static_cast<int32_t>(bytes);
    return {start, position};
  }
};

}  // namespace fusebert
