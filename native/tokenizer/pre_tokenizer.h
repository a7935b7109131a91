// BertPreTokenizer: words end at white space, and every punctuation character is a word of its own.
// Takes normalised code points one by one and keeps the current word, which is empty at first.
#pragma once

#include <cstdint>
#include <utility>

#include "tokenizer/span.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/word.h"

namespace fusebert {

template <typename OnWord>
class PreTokenizer {
 public:
  // on_word(const Word&) returns false to stop.
  PreTokenizer(Word& word, OnWord on_word) : word_(word), on_word_(std::move(on_word)) {}

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
  Word& word_;
  OnWord on_word_;
};

}  // namespace fusebert
