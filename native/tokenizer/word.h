// A word of the normalised text, with the range of the original text that each byte stands for.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tokenizer/simd/word_key.h"
#include "tokenizer/span.h"
#include "tokenizer/utf8.h"

namespace fusebert {

// Storage is kept between words.
class Word {
 public:
  // Empties it. Code points beyond `max_chars` are counted and not stored: such a word is the
  // unknown token. Without `keep_spans` there are no ranges.
  void start(int64_t max_chars, bool keep_spans) {
    clear();
    max_chars_ = max_chars;
    keep_spans_ = keep_spans;
  }

  void clear() {
    chars_ = 0;
    size_ = 0;
    has_zero_ = false;
    spans_.clear();
  }

  // Gives back the memory of a word that was very long.
  void trim() {
    if (bytes_.size() > kMostKeptBytes) bytes_ = std::vector<char>();
    if (spans_.capacity() > kMostKeptBytes) spans_ = std::vector<Span>();
  }

  void push(char32_t code_point, Span span) {
    char encoded[utf8::kMaxBytes];
    push_bytes(encoded, static_cast<size_t>(utf8::encode(code_point, encoded)), span);
  }

  // A character's bytes, of which there are kMaxBytes to read.
  void push_bytes(const char* encoded, size_t length, Span span) {
    if (chars_ == 0) start_ = span.start;
    end_ = span.end;
    if (++chars_ > max_chars_) return;
    if (bytes_.size() < size_ + simd::kBlockBytes) bytes_.resize(2 * size_ + kLeastBytes);
    std::memcpy(bytes_.data() + size_, encoded, utf8::kMaxBytes);
    size_ += length;
    has_zero_ |= encoded[0] == 0;
    if (keep_spans_) spans_.insert(spans_.end(), length, span);
  }

  bool empty() const { return chars_ == 0; }
  bool too_long() const { return chars_ > max_chars_; }
  // Whether a byte of it is 0.
  bool has_zero() const { return has_zero_; }
  // At least kBlockBytes can be read.
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  // Of the whole word in the original text.
  Span span() const { return {start_, end_}; }
  // Of the bytes [from, to) of a word that is not too long.
  Span span(size_t from, size_t to) const {
    if (!keep_spans_) return {};
    return {spans_[from].start, spans_[to - 1].end};
  }

 private:
  static constexpr size_t kLeastBytes = 4 * simd::kBlockBytes;
  static constexpr size_t kMostKeptBytes = size_t{1} << 16;

  int64_t max_chars_ = 0;
  bool keep_spans_ = false;
  int64_t chars_ = 0;
  int32_t start_ = 0;
  int32_t end_ = 0;
  size_t size_ = 0;
  bool has_zero_ = false;
  std::vector<char> bytes_ = std::vector<char>(kLeastBytes);
  std::vector<Span> spans_;  // one for each byte
};

}  // namespace fusebert
