// The stages of encoding one text, as one stream from bytes to tokens.
#include "tokenizer/sequence_encoder.h"

namespace fusebert {

namespace {

class SequenceEncoder {
 public:
  SequenceEncoder(const TokenizerParts& parts, std::string_view text, int64_t limit, bool utf16)
      : parts_(parts),
        text_(text),
        limit_(limit),
        cursor_{utf16, 0},
        words_(parts.max_input_chars_per_word, OnWord{this}) {}

  SequenceTokens run() && {
    parts_.added.split(text_, [&](const AddedToken* token, size_t begin, size_t end) {
      move_cursor(begin);
      if (token == nullptr) return encode_text(begin, end);
      const int32_t start = cursor_.position;
      move_cursor(end);
      return add_token(*token, {start, cursor_.position});
    });
    if (result_.counted < 0) result_.counted = static_cast<int64_t>(result_.tokens.size());
    return std::move(result_);
  }

 private:
  struct OnWord {
    SequenceEncoder* encoder;
    bool operator()(const Word& word) const { return encoder->add_word(word); }
  };

  bool add_word(const Word& word) {
    parts_.model.tokenize(word, result_.tokens);
    const auto count = static_cast<int64_t>(result_.tokens.size());
    if (result_.counted < 0 && count >= limit_) result_.counted = count;
    return count <= limit_;
  }

  // The reference does not look at the limit after an added token.
  bool add_token(const AddedToken& token, Span span) {
    result_.tokens.push_back({token.id, span});
    return result_.counted < 0;
  }

  bool encode_text(size_t begin, size_t end) {
    cursor_byte_ = end;
    const std::string_view text = text_.substr(begin, end - begin);
    if (!parts_.added_normalized.empty()) return encode_text_with_tokens(text);
    const auto push = [&](char32_t c, Span span) { return words_.push(c, span); };
    return parts_.normalizer.run(text, cursor_, push) && words_.finish();
  }

  // The same where added tokens are searched in the normalised text, which is kept for that.
  bool encode_text_with_tokens(std::string_view text) {
    std::string normalized;
    std::vector<Span> spans;  // one for each byte of `normalized`
    parts_.normalizer.run(text, cursor_, [&](char32_t c, Span span) {
      char encoded[utf8::kMaxBytes];
      const int length = utf8::encode(c, encoded);
      normalized.append(encoded, static_cast<size_t>(length));
      spans.insert(spans.end(), static_cast<size_t>(length), span);
      return true;
    });
    return parts_.added_normalized.split(
        normalized, [&](const AddedToken* token, size_t begin, size_t end) {
          if (token != nullptr) {
            return add_token(*token, {spans[begin].start, spans[end - 1].end});
          }
          for (size_t i = begin; i < end;) {
            const utf8::Decoded decoded = utf8::decode(normalized, i);
            if (!words_.push(decoded.code_point, spans[i])) return false;
            i += static_cast<size_t>(decoded.bytes);
          }
          return words_.finish();
        });
  }

  // Forwards, or backwards where a token takes white space that the one before took too.
  void move_cursor(size_t byte) {
    while (cursor_byte_ < byte) {
      const utf8::Decoded decoded = utf8::decode(text_, cursor_byte_);
      cursor_.advance(decoded.code_point);
      cursor_byte_ += static_cast<size_t>(decoded.bytes);
    }
    while (cursor_byte_ > byte) {
      const utf8::Decoded decoded = utf8::decode_before(text_, cursor_byte_);
      cursor_.position -= cursor_.utf16 && decoded.code_point >= 0x10000 ? 2 : 1;
      cursor_byte_ -= static_cast<size_t>(decoded.bytes);
    }
  }

  const TokenizerParts& parts_;
  std::string_view text_;
  int64_t limit_;
  Cursor cursor_;
  size_t cursor_byte_ = 0;  // of text_, where cursor_ stands
  PreTokenizer<OnWord> words_;
  SequenceTokens result_{{}, -1};
};

}  // namespace

SequenceTokens encode_sequence(const TokenizerParts& parts, std::string_view text, int64_t limit,
                               bool utf16_offsets) {
  return SequenceEncoder(parts, text, limit, utf16_offsets).run();
}

}  // namespace fusebert
