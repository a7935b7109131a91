// Words of GPT-2 and RoBERTa: what the pattern
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// matches one after the other, which is all of a text.
#pragma once

#include <cstddef>
#include <string_view>

#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace fusebert::split_pattern {

using unicode::SplitClass;

struct ClassedCharacter {
  SplitClass kind;
  size_t bytes;
};

inline ClassedCharacter classify(std::string_view text, size_t position) {
  const auto byte = static_cast<unsigned char>(text[position]);
  if (byte < 0x80) return {unicode::split_class(byte), 1};
  const utf8::Decoded decoded = utf8::decode(text, position);
  return {unicode::split_class(decoded.code_point), static_cast<size_t>(decoded.bytes)};
}

// The end of the characters of one class from `position` on.
inline size_t end_of_run(std::string_view text, size_t position, SplitClass kind) {
  while (position < text.size()) {
    const ClassedCharacter next = classify(text, position);
    if (next.kind != kind) break;
    position += next.bytes;
  }
  return position;
}

// White space from `position` on, or all but its last character where something follows.
inline size_t end_of_space(std::string_view text, size_t position) {
  size_t last = position;
  while (position < text.size()) {
    const ClassedCharacter next = classify(text, position);
    if (next.kind != SplitClass::kSpace) return last;
    last = position;
    position += next.bytes;
  }
  return position;
}

// The length of an English contraction at an apostrophe, or 0.
inline size_t contraction(std::string_view text, size_t position) {
  const auto at = [&](size_t i) { return position + i < text.size() ? text[position + i] : '\0'; };
  switch (at(1)) {
    case 's': case 't': case 'm': case 'd': return 2;
    case 'r': case 'v': return at(2) == 'e' ? 3 : 0;
    case 'l': return at(2) == 'l' ? 3 : 0;
    default: return 0;
  }
}

// The end of the word that begins at `position`, which is inside the text.
inline size_t word_end(std::string_view text, size_t position) {
  if (text[position] == '\'') {
    const size_t length = contraction(text, position);
    if (length > 0) return position + length;
  }
  const ClassedCharacter first = classify(text, position);
  const size_t next = position + first.bytes;
  if (first.kind != SplitClass::kSpace) return end_of_run(text, next, first.kind);
  if (next == text.size()) return next;
  const ClassedCharacter second = classify(text, next);
  if (second.kind == SplitClass::kSpace) return end_of_space(text, position);
  return text[position] == ' ' ? end_of_run(text, next + second.bytes, second.kind) : next;
}

// The same for a word that begins with a space before `position`, where the text has none: its end
// may be `position`.
inline size_t word_end_after_space(std::string_view text, size_t position) {
  const ClassedCharacter first = classify(text, position);
  if (first.kind == SplitClass::kSpace) return end_of_space(text, position);
  return end_of_run(text, position + first.bytes, first.kind);
}

}  // namespace fusebert::split_pattern
