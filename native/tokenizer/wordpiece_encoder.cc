// BERT's family: added tokens, normalisation, words, WordPiece, in this order. ASCII words go from
// bytes to tokens in one step each; a word with other characters in it goes through the normaliser,
// code point by code point.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/byte_classes.h"
#include "tokenizer/character_table.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/sequence_limit.h"
#include "tokenizer/simd/block.h"
#include "tokenizer/text_cursor.h"
#include "tokenizer/text_encoder.h"
#include "tokenizer/wordpiece.h"

namespace fusebert {

namespace {

using simd::kBlockBytes;

// What makes ASCII letters lower case.
constexpr unsigned char kLowercaseBit = 0x20;

// What the family's tokenizers consist of when they encode.
struct Parts {
  Parts(const NormalizerOptions& options, WordPiece wordpiece, int64_t max_chars)
      : normalizer(options),
        bytes(normalizer),
        characters(normalizer),
        model(std::move(wordpiece)),
        max_input_chars_per_word(max_chars),
        punctuation{} {
    for (unsigned char byte = 0; byte < punctuation.size(); ++byte) {
      const char character = static_cast<char>(byte);
      int32_t token = max_chars < 1 ? -1 : model.token_to_id({&character, 1});
      punctuation[byte] = token < 0 ? model.unk_id() : token;
    }
  }

  Normalizer normalizer;
  ByteClasses bytes;
  CharacterTable characters;
  WordPiece model;
  int64_t max_input_chars_per_word;
  std::array<int32_t, 128> punctuation;  // the token of each ASCII character as a word
};

// One text on its way.
class Sequence {
 public:
  Sequence(const Parts& parts, std::string_view text, const AddedTokenFinders& added,
           const SequenceOptions& options, EncodeScratch& scratch, TokenBuffer& tokens)
      : parts_(parts),
        text_(text),
        added_(added),
        fold_(parts.normalizer.lowercase() ? kLowercaseBit : 0),
        longest_(std::min(WordCache::kMaxWordBytes,
                          static_cast<size_t>(parts.max_input_chars_per_word))),
        cache_(scratch.words),
        word_(scratch.word),
        tokens_(tokens),
        cursor_(text, options.utf16_offsets),
        words_(word_, OnWord{this}),
        limit_(options, tokens) {
    word_.start(parts.max_input_chars_per_word, tokens.keeps_spans());
  }

  int64_t run() && {
    added_.original.split(text_, [&](const AddedToken* token, size_t begin, size_t end) {
      if (token == nullptr) return encode_text(begin, end);
      return add_token(*token, span_of(begin, end));
    });
    return limit_.counted();
  }

 private:
  struct OnWord {
    Sequence* sequence;
    bool operator()(const Word& word) const { return sequence->add_word(word); }
  };

  bool go_on() { return limit_.go_on(); }

  bool add_word(const Word& word) {
    const std::string_view bytes = word.bytes();
    const auto span_of_token = [&](size_t from, size_t to) { return word.span(from, to); };
    if (word.too_long()) {
      tokens_.push(parts_.model.unk_id(), word.span());
    } else if (bytes.size() > WordCache::kMaxWordBytes || word.has_zero()) {
      cut(bytes, span_of_token, [](int32_t, size_t) {});
    } else {
      const auto length = static_cast<uint32_t>(bytes.size());
      add_short_word(simd::Block(bytes.data()).key(length, 0), length, span_of_token);
    }
    return go_on();
  }

  // Adds the tokens of a word, and tells on_token(id, end) of each; or else the unknown token, and
  // returns false.
  template <typename SpanOf, typename OnToken>
  bool cut(std::string_view word, SpanOf&& span_of_token, OnToken&& on_token) {
    const size_t before = tokens_.size();
    const bool known = parts_.model.cut(word, [&](int32_t id, size_t from, size_t to) {
      tokens_.push(id, span_of_token(from, to));
      on_token(id, to);
    });
    if (known) return true;
    tokens_.truncate(before);
    tokens_.push(parts_.model.unk_id(), span_of_token(0, word.size()));
    return false;
  }

  bool add_token(const AddedToken& token, Span span) {
    tokens_.push(token.id, span);
    return limit_.go_on_after_added();
  }

  bool encode_text(size_t begin, size_t end) {
    if (!added_.normalized.empty()) return encode_text_with_tokens(begin, end);
    if (!tokens_.keeps_spans()) return encode_words<false>(begin, end);
    cursor_.move_to(begin);
    cursor_.skip_to(end);
    return encode_words<true>(begin, end);
  }

  template <bool kSpans>
  bool encode_words(size_t position, size_t end) {
    while (position < end) {
      const simd::Block block = load(position, end);
      const uint32_t length = block.alphanumeric_run();
      const size_t next = position + length;
      const bool whole = length > 0 && length <= longest_ &&
                         (next == end || parts_.bytes.ends_word(text_[next]));
      if (!whole) {
        if (!encode_odd<kSpans>(position, end)) return false;
        continue;
      }
      const int32_t start = kSpans ? cursor_.cursor().advance_ascii(length).start : 0;
      add_short_word(block.key(length, fold_), length, [start](size_t from, size_t to) {
        return Span{start + static_cast<int32_t>(from), start + static_cast<int32_t>(to)};
      });
      position = next;
      // What usually follows.
      if (position < end && text_[position] == ' ') {
        ++position;
        if (kSpans) cursor_.cursor().advance_ascii(1);
      }
      if (!go_on()) return false;
    }
    return true;
  }

  // What `position` is at when it is not at a short ASCII word: at least a character of it.
  template <bool kSpans>
  bool encode_odd(size_t& position, size_t end) {
    switch (parts_.bytes[text_[position]]) {
      case ByteClass::kSpace:
        ++position;
        if (kSpans) cursor_.cursor().advance_ascii(1);
        return true;
      case ByteClass::kPunctuation:
        tokens_.push(parts_.punctuation[static_cast<size_t>(text_[position])],
                     kSpans ? cursor_.cursor().advance_ascii(1) : Span{});
        ++position;
        return go_on();
      case ByteClass::kAlphanumeric:
      case ByteClass::kOther:
        break;
    }
    return encode_any_word<kSpans>(position, end);
  }

  simd::Block load(size_t position, size_t end) const {
    if (end - position >= kBlockBytes) return simd::Block(text_.data() + position);
    char padded[kBlockBytes] = {};
    std::memcpy(padded, text_.data() + position, end - position);
    return simd::Block(padded);
  }

  // A word whose normalised bytes are the key.
  template <typename SpanOf>
  void add_short_word(const simd::WordKey& key, uint32_t length, SpanOf&& span_of_token) {
    const WordCache::Entry* entry = cache_.find(key);
    if (entry == nullptr) return add_new_word(key, length, span_of_token);
    std::memcpy(tokens_.room(WordCache::kMaxTokens), entry->ids.data(), sizeof(entry->ids));
    tokens_.commit(entry->count);
    if (!tokens_.keeps_spans()) return;
    size_t from = 0;
    for (size_t i = 0; i < entry->count; ++i) {
      tokens_.push_span(span_of_token(from, entry->ends[i]));
      from = entry->ends[i];
    }
  }

  // Cuts a word and keeps its tokens for the next time.
  template <typename SpanOf>
  void add_new_word(const simd::WordKey& key, uint32_t length, SpanOf&& span_of_token) {
    char bytes[kBlockBytes];
    simd::key_bytes(key, bytes);
    WordCache::Entry entry{key, {}, {}, 0};
    size_t count = 0;
    const bool known = cut({bytes, length}, span_of_token, [&](int32_t id, size_t end) {
      if (count < WordCache::kMaxTokens) {
        entry.ids[count] = id;
        entry.ends[count] = static_cast<uint8_t>(end);
      }
      ++count;
    });
    if (!known) {
      entry.ids[0] = parts_.model.unk_id();
      entry.ends[0] = static_cast<uint8_t>(length);
      count = 1;
    }
    if (count > WordCache::kMaxTokens) return;
    entry.count = static_cast<uint8_t>(count);
    cache_.insert(entry);
  }

  // Characters from `position`, in a word or where one begins, to the next that ends words.
  template <bool kSpans>
  bool encode_any_word(size_t& position, size_t end) {
    const std::string_view text = text_.substr(0, end);
    while (position < end) {
      const utf8::Decoded decoded = utf8::decode(text, position);
      const Character character = parts_.characters[decoded.code_point];
      const auto skip = [&] {
        position += static_cast<size_t>(decoded.bytes);
        return kSpans ? cursor_.cursor().advance(decoded.code_point) : Span{};
      };
      switch (character.kind) {
        case CharacterKind::kContinues:
          push_character(character, skip());
          continue;
        case CharacterKind::kAlone:
          if (!words_.finish()) return false;
          push_character(character, skip());
          break;
        case CharacterKind::kSpace:
          skip();
          break;
        case CharacterKind::kMark:
          if (kSpans && !normalize_character(text, position)) return false;
          if (!kSpans) skip();
          continue;
        case CharacterKind::kNothing:
          skip();
          continue;
        case CharacterKind::kOther:
          if (!normalize_character(text, position)) return false;
          continue;
      }
      return words_.finish();
    }
    return words_.finish();
  }

  void push_character(const Character& character, Span span) {
    char encoded[utf8::kMaxBytes];
    std::memcpy(encoded, &character.bytes, sizeof(encoded));
    word_.push_bytes(encoded, character.length, span);
  }

  bool normalize_character(std::string_view text, size_t& position) {
    return parts_.normalizer.run_character(
        text, position, cursor_.cursor(),
        [&](char32_t c, Span span) { return words_.push(c, span); });
  }

  // The same as encode_words where added tokens are searched in the normalised text, which is kept
  // for that.
  bool encode_text_with_tokens(size_t begin, size_t end) {
    cursor_.move_to(begin);
    cursor_.skip_to(end);
    std::string normalized;
    std::vector<Span> spans;  // one for each byte of `normalized`
    const std::string_view text = text_.substr(begin, end - begin);
    parts_.normalizer.run(text, cursor_.cursor(), [&](char32_t c, Span span) {
      char encoded[utf8::kMaxBytes];
      const int length = utf8::encode(c, encoded);
      normalized.append(encoded, static_cast<size_t>(length));
      spans.insert(spans.end(), static_cast<size_t>(length), span);
      return true;
    });
    return added_.normalized.split(
        normalized, [&](const AddedToken* token, size_t from, size_t to) {
          if (token != nullptr) {
            return add_token(*token, {spans[from].start, spans[to - 1].end});
          }
          for (size_t i = from; i < to;) {
            const utf8::Decoded decoded = utf8::decode(normalized, i);
            if (!words_.push(decoded.code_point, spans[i])) return false;
            i += static_cast<size_t>(decoded.bytes);
          }
          return words_.finish();
        });
  }

  Span span_of(size_t begin, size_t end) {
    return tokens_.keeps_spans() ? cursor_.span(begin, end) : Span{};
  }

  const Parts& parts_;
  std::string_view text_;
  const AddedTokenFinders& added_;
  unsigned char fold_;
  size_t longest_;  // of an ASCII word that is looked up
  WordCache& cache_;
  Word& word_;
  TokenBuffer& tokens_;
  TextCursor cursor_;  // moves only where spans are kept
  PreTokenizer<OnWord> words_;
  SequenceLimit limit_;
};

class WordPieceEncoder final : public TextEncoder {
 public:
  WordPieceEncoder(const NormalizerOptions& options, WordPiece model, int64_t max_chars)
      : parts_(options, std::move(model), max_chars) {}

  int64_t encode(std::string_view text, const AddedTokenFinders& added,
                 const SequenceOptions& options, EncodeScratch& scratch,
                 TokenBuffer& tokens) const override {
    return Sequence(parts_, text, added, options, scratch, tokens).run();
  }

  int32_t token_to_id(std::string_view token) const override {
    return parts_.model.token_to_id(token);
  }

  std::string normalize(std::string_view text) const override {
    std::string normalized;
    Cursor cursor;
    parts_.normalizer.run(text, cursor, [&](char32_t c, Span) {
      char encoded[utf8::kMaxBytes];
      normalized.append(encoded, static_cast<size_t>(utf8::encode(c, encoded)));
      return true;
    });
    return normalized;
  }

 private:
  Parts parts_;
};

}  // namespace

Result<std::unique_ptr<const TextEncoder>> make_encoder(const WordPieceSpec& spec,
                                                        const VocabularyView& vocab) {
  const auto unk = find_entry(vocab.sorted, spec.unk_token);
  if (unk < 0) {
    return Status(StatusCode::kTokenizerFormat,
                  "Expected the unknown token in the vocabulary but it is not there.");
  }
  if (spec.continuing_subword_prefix.size() > kMaxTokenBytes ||
      spec.max_input_chars_per_word < 0) {
    return Status(StatusCode::kTokenizerFormat,
                  "Expected max_input_chars_per_word of at least 0 and a prefix of at most " +
                      std::to_string(kMaxTokenBytes) + " bytes.");
  }
  const NormalizerOptions options{spec.clean_text, spec.handle_chinese_chars,
                                  spec.strip_accents.value_or(spec.lowercase), spec.lowercase};
  return std::unique_ptr<const TextEncoder>(std::make_unique<WordPieceEncoder>(
      options, WordPiece(vocab.sorted, spec.continuing_subword_prefix, unk),
      spec.max_input_chars_per_word));
}

}  // namespace fusebert
