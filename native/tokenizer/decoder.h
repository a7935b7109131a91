// Tokens back to text: the decoders WordPiece and ByteLevel of `tokenizers`, and the clean-up of
// transformers.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace fusebert {

// Appends the text of tokens that come one after the other.
class Decoder {
 public:
  Decoder(const DecoderSpec& spec, std::string& text) : spec_(spec), text_(text) {}
  void push(std::string_view token);
  // After the last one: what is no UTF-8 becomes U+FFFD.
  void finish();

 private:
  const DecoderSpec& spec_;
  std::string& text_;
  bool first_ = true;
  std::string piece_;
};

// What transformers does to a decoded text with clean_up_tokenization_spaces: no space before
// punctuation and before English contractions.
void clean_up_tokenization(std::string& text);

}  // namespace fusebert
