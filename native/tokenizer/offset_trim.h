// Offsets without white space (what the post-processors ByteLevel and RobertaProcessing do): the
// white space that a token's text begins and ends with is taken off, but for one space that a text
// begins with where tokenizers put one there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "tokenizer/byte_level.h"
#include "tokenizer/span.h"

namespace fusebert {

class OffsetTrim {
 public:
  // White space of a token, in characters.
  struct Ends {
    int32_t leading = 0;
    int32_t trailing = 0;
  };

  // White space, or the character of a space, at both ends of what the reference has as the
  // token's text.
  static Ends ends_of(std::string_view text) {
    Ends ends;
    size_t begin = 0;
    while (begin < text.size()) {
      const utf8::Decoded next = utf8::decode(text, begin);
      if (!is_space(next.code_point)) break;
      begin += static_cast<size_t>(next.bytes);
      ++ends.leading;
    }
    for (size_t end = text.size(); end > 0;) {
      const utf8::Decoded before = utf8::decode_before(text, end);
      if (!is_space(before.code_point)) break;
      end -= static_cast<size_t>(before.bytes);
      ++ends.trailing;
    }
    return ends;
  }

  // How long each character of that white space is in the unit of the offsets: 1, unless it is a
  // space that the text has not, which stands where the first character is.
  struct Units {
    int32_t leading;
    int32_t trailing;
  };

  // `first`: a sequence begins with the token.
  static Span trim(Span span, Ends ends, Units units, bool first, bool keep_first_space) {
    const int32_t trailing = ends.trailing * units.trailing;
    const bool keep = keep_first_space && ends.leading == 1 && (first || span.start == 0);
    if (!keep) span.start = std::min(span.start + ends.leading * units.leading, span.end);
    if (span.end >= trailing) span.end = std::max(span.end - trailing, span.start);
    return span;
  }

 private:
  static bool is_space(char32_t c) {
    return c == byte_level::kSpace || (unicode::info(c).flags & unicode::kWhitespace) != 0;
  }
};

}  // namespace fusebert
