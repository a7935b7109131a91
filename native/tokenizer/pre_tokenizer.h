// BertPreTokenizer: words end at white space, and every punctuation character is a word of its own.
// Takes normalised code points one by one and keeps the current word.
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace fusebert {

// A word of the normalised text. Storage is kept between words.
class Word {
 public:
  // Code points beyond `max_chars` are counted and not stored: such a word is the unknown token.
  explicit Word(int64_t max_chars) : max_chars_(max_chars) {}

  void clear() {
    chars_ = 0;
    bytes_.clear();
    spans_.clear();
  }

  void push(char32_t code_point, Span span) {
    if (chars_ == 0) start_ = span.start;
    end_ = span.end;
    if (++chars_ > max_chars_) return;
    if (code_point < 0x80) {
      bytes_.push_back(static_cast<char>(code_point));
      spans_.push_back(span);
      return;
    }
    char encoded[utf8::kMaxBytes];
    const int length = utf8::encode(code_point, encoded);
    bytes_.insert(bytes_.end(), encoded, encoded + length);
    spans_.insert(spans_.end(), static_cast<size_t>(length), span);
  }

  bool empty() const { return chars_ == 0; }
  bool too_long() const { return chars_ > max_chars_; }
  std::string_view bytes() const { return {bytes_.data(), bytes_.size()}; }
  // Of the whole word in the original text.
  Span span() const { return {start_, end_}; }
  // Of the bytes [from, to) of a word that is not too long.
  Span span(size_t from, size_t to) const { return {spans_[from].start, spans_[to - 1].end}; }

 private:
  int64_t max_chars_;
  int64_t chars_ = 0;
  int32_t start_ = 0;
  int32_t end_ = 0;
  std::vector<char> bytes_;
  std::vector<Span> spans_;  // one for each byte
};

template <typename OnWord>
class PreTokenizer {
 public:
  // on_word(const Word&) returns false to stop.
  PreTokenizer(int64_t max_chars, OnWord on_word)
      : word_(max_chars), on_word_(std::move(on_word)) {}

  bool push(char32_t code_point, Span span) {
    const uint8_t flags = unicode::info(code_point).flags;
    if (!(flags & (unicode::kWhitespace | unicode::kPunctuation))) {
      word_.push(code_point, span);
      return true;
    }
    if (!finish()) return false;
    if (flags & unicode::kWhitespace) return true;
    word_.push(code_point, span);
    return finish();
  }

  // Ends the current word, as the end of the text or an added token does.
  bool finish() {
    if (word_.empty()) return true;
    const bool more = on_word_(word_);
    word_.clear();
    return more;
  }

 private:
  Word word_;
  OnWord on_word_;
};

}  // namespace fusebert
