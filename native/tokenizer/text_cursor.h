// Where bytes of a text are in the unit that offsets are counted in.
#pragma once

#include <cstddef>
#include <string_view>

#include "tokenizer/span.h"
#include "tokenizer/utf8.h"

namespace fusebert {

class TextCursor {
 public:
  TextCursor(std::string_view text, bool utf16) : text_(text), cursor_{utf16, 0} {}

  // To move it over text that is read anyway; skip_to() then says how far.
  Cursor& cursor() { return cursor_; }
  void skip_to(size_t byte) { byte_ = byte; }
  size_t byte() const { return byte_; }

  // Forwards, or backwards where an added token takes white space that the one before took too.
  void move_to(size_t byte) {
    while (byte_ < byte) {
      const utf8::Decoded decoded = utf8::decode(text_, byte_);
      cursor_.advance(decoded.code_point);
      byte_ += static_cast<size_t>(decoded.bytes);
    }
    while (byte_ > byte) {
      const utf8::Decoded decoded = utf8::decode_before(text_, byte_);
      cursor_.position -= cursor_.utf16 && decoded.code_point >= 0x10000 ? 2 : 1;
      byte_ -= static_cast<size_t>(decoded.bytes);
    }
  }

  // Of the bytes [begin, end), where characters begin and end.
  Span span(size_t begin, size_t end) {
    move_to(begin);
    const int32_t start = cursor_.position;
    move_to(end);
    return {start, cursor_.position};
  }

 private:
  std::string_view text_;
  Cursor cursor_;
  size_t byte_ = 0;  // of text_, where cursor_ stands
};

}  // namespace fusebert
