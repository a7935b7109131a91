// Joins tokens, and takes spaces away again.
#include "tokenizer/decoder.h"

#include <utility>

#include "tokenizer/byte_level.h"
#include "tokenizer/well_formed.h"

namespace fusebert {

namespace {

struct Replacement {
  std::string_view from;
  std::string_view to;
};

// In this order: `tokenizers` does all of them, transformers all but kContracted.
constexpr Replacement kPunctuation[] = {{" .", "."},   {" ?", "?"},     {" !", "!"},  {" ,", ","},
                                        {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}};
constexpr Replacement kContracted[] = {{" do not", " don't"}};
constexpr Replacement kContractions[] = {{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

// Every occurrence, from left to right; what is put in is not looked at again.
void replace_all(std::string& text, const Replacement& replacement) {
  size_t found = text.find(replacement.from);
  if (found == std::string::npos) return;
  std::string result;
  size_t read = 0;
  for (; found != std::string::npos; found = text.find(replacement.from, read)) {
    result.append(text, read, found - read);
    result += replacement.to;
    read = found + replacement.from.size();
  }
  result.append(text, read);
  text = std::move(result);
}

template <size_t kCount>
void replace_each(std::string& text, const Replacement (&replacements)[kCount]) {
  for (const Replacement& replacement : replacements) replace_all(text, replacement);
}

}  // namespace

void clean_up_tokenization(std::string& text) {
  replace_each(text, kPunctuation);
  replace_each(text, kContractions);
}

void Decoder::push(std::string_view token) {
  if (spec_.kind == DecoderSpec::Kind::kNone) {
    if (!first_) text_ += ' ';
    text_ += token;
    first_ = false;
    return;
  }
  if (spec_.kind == DecoderSpec::Kind::kByteLevel) {
    // A token with a character that stands for no byte is taken as it is.
    const auto bytes = byte_level::to_bytes(token);
    text_ += bytes ? *bytes : token;
    return;
  }
  const bool continues = token.substr(0, spec_.prefix.size()) == spec_.prefix;
  piece_.clear();
  if (!first_ && !continues) piece_ += ' ';
  piece_ += first_ || !continues ? token : token.substr(spec_.prefix.size());
  if (spec_.cleanup) {
    replace_each(piece_, kPunctuation);
    replace_each(piece_, kContracted);
    replace_each(piece_, kContractions);
  }
  text_ += piece_;
  first_ = false;
}

void Decoder::finish() {
  if (spec_.kind != DecoderSpec::Kind::kByteLevel) return;
  std::string repaired;
  if (utf8::well_formed(text_, repaired).data() == repaired.data()) text_ = std::move(repaired);
}

}  // namespace fusebert
