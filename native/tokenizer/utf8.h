// UTF-8 in and out. Decoding never fails: a malformed sequence is U+FFFD, one for each maximal
// subpart, as the WHATWG Encoding Standard's decoder does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tokenizer/unicode_tables.h"

namespace fusebert::utf8 {

inline constexpr int kMaxBytes = 4;  // of one code point

struct Decoded {
  char32_t code_point;
  int bytes;  // consumed, at least 1
};

inline bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Decodes the code point at `position`, which must be inside `text`.
inline Decoded decode(std::string_view text, size_t position) {
  const auto at = [&](size_t i) -> unsigned char {
    return position + i < text.size() ? static_cast<unsigned char>(text[position + i]) : 0;
  };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {unicode::kReplacement, 1};
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and what is beyond U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const unsigned char second = at(1);
  if (second < low || second > high) return {unicode::kReplacement, 1};
  char32_t code_point = lead & (0x7Fu >> length);
  code_point = (code_point << 6) | (second & 0x3Fu);
  for (int i = 2; i < length; ++i) {
    const unsigned char next = at(static_cast<size_t>(i));
    if (!is_continuation(next)) return {unicode::kReplacement, i};
    code_point = (code_point << 6) | (next & 0x3Fu);
  }
  return {code_point, length};
}

// Writes `code_point` to `out` (room for kMaxBytes) and returns how many bytes it took.
inline int encode(char32_t code_point, char* out) {
  if (code_point < 0x80) {
    out[0] = static_cast<char>(code_point);
    return 1;
  }
  if (code_point < 0x800) {
    out[0] = static_cast<char>(0xC0 | (code_point >> 6));
    out[1] = static_cast<char>(0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    out[0] = static_cast<char>(0xE0 | (code_point >> 12));
    out[1] = static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out[2] = static_cast<char>(0x80 | (code_point & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | (code_point >> 18));
  out[1] = static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
  out[2] = static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
  out[3] = static_cast<char>(0x80 | (code_point & 0x3F));
  return 4;
}

// The code point that ends right before `position` (> 0).
inline Decoded decode_before(std::string_view text, size_t position) {
  // The longest first: a continuation byte alone would be taken for a malformed sequence.
  for (size_t start = position > kMaxBytes ? position - kMaxBytes : 0; start < position; ++start) {
    const Decoded candidate = decode(text, start);
    if (start + static_cast<size_t>(candidate.bytes) == position) return candidate;
  }
  return {unicode::kReplacement, 1};
}

}  // namespace fusebert::utf8
