// BERT's family: added tokens, normalisation, words, WordPiece, in this order. ASCII words go from
// bytes to tokens in one step each; a word with other characters in it goes through the normaliser,
// code point by code point.
#include <algorithm>
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
#include "tokenizer/words_ahead.h"

namespace fusebert {

namespace {

using simd::kBlockBytes;

// 32,768 words in 1 MiB: more than the words that make up most of a language.
constexpr int kCacheBits = 14;
// What makes ASCII letters lower case.
constexpr unsigned char kLowercaseBit = 0x20;

// What the family's tokenizers consist of when they encode.
struct Parts {
  Parts(const NormalizerOptions& options, WordPiece wordpiece, int64_t max_chars)
      : normalizer(options),
        bytes(normalizer),
        characters(normalizer),
        model(std::move(wordpiece)),
        max_input_chars_per_word(max_chars) {}

  Normalizer normalizer;
  ByteClasses bytes;
  CharacterTable characters;
  WordPiece model;
  int64_t max_input_chars_per_word;
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
        limit_(options, tokens),
        ahead_(scratch.words) {
    word_.start(parts.max_input_chars_per_word, tokens.keeps_spans());
  }

  int64_t run() && {
    added_.original.split(text_, [&](const AddedToken* token, size_t begin, size_t end) {
      if (token == nullptr) return encode_text(begin, end);
      return add_token(*token, span_of(begin, end));
    });
    add_found();
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
    const bool is_short =
        !word.too_long() && bytes.size() <= WordCache::kMaxWordBytes && !word.has_zero();
    const auto length = static_cast<uint32_t>(bytes.size());
    const simd::WordKey key =
        is_short ? simd::Block(bytes.data()).key(length, 0) : simd::WordKey{};
    if (is_short && !tokens_.keeps_spans()) return add_later(key, length, 0);
    if (!add_found()) return false;
    const auto span_of_token = [&](size_t from, size_t to) { return word.span(from, to); };
    if (word.too_long()) {
      tokens_.push(parts_.model.unk_id(), word.span());
    } else if (is_short) {
      add_short_word(*cache_.bucket(key), key, length, span_of_token);
    } else {
      add_pieces(bytes.size(), span_of_token,
                 [&](auto&& on_token) { return parts_.model.cut(bytes, on_token); });
    }
    return go_on();
  }

  // Adds the tokens that cut(on_token) makes of a word of `size` bytes; or else the unknown token,
  // and returns false.
  template <typename SpanOf, typename Cut>
  bool add_pieces(size_t size, SpanOf&& span_of_token, Cut&& cut) {
    const size_t before = tokens_.size();
    const bool known = cut([&](int32_t id, size_t from, size_t to) {
      tokens_.push(id, span_of_token(from, to));
    });
    if (known) return true;
    tokens_.truncate(before);
    tokens_.push(parts_.model.unk_id(), span_of_token(0, size));
    return false;
  }

  bool add_token(const AddedToken& token, Span span) {
    if (!add_found()) return false;
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
        if (!encode_odd<kSpans>(block, position, end)) return false;
        continue;
      }
      const int32_t start = kSpans ? cursor_.cursor().advance_ascii(length).start : 0;
      if (!add_later(block.key(length, fold_), length, start)) return false;
      position = next;
      // What usually follows.
      if (position < end && text_[position] == ' ') {
        ++position;
        if (kSpans) cursor_.cursor().advance_ascii(1);
      }
    }
    return true;
  }

  // What `position`, where the block is, is at when it is not at a short ASCII word: at least a
  // character of it.
  template <bool kSpans>
  bool encode_odd(const simd::Block& block, size_t& position, size_t end) {
    const ByteClass byte = parts_.bytes[text_[position]];
    if (byte == ByteClass::kSpace) {
      ++position;
      if (kSpans) cursor_.cursor().advance_ascii(1);
      return true;
    }
    if (byte == ByteClass::kPunctuation && longest_ > 0) {
      ++position;
      const int32_t start = kSpans ? cursor_.cursor().advance_ascii(1).start : 0;
      return add_later(block.key(1, 0), 1, start);
    }
    return encode_any_word<kSpans>(position, end);
  }

  // A word whose normalised bytes are the key; where spans are kept, each of its characters is a
  // byte, from `start` on. Its tokens come a few words later, when what the cache has of it has
  // come near.
  bool add_later(const simd::WordKey& key, uint32_t length, int32_t start) {
    return ahead_.add(key, length, start) || add_found();
  }

  // The tokens of all words that were found.
  bool add_found() {
    for (const WordsAhead::Word& word : ahead_.take()) {
      add_short_word(*word.bucket, word.key, word.length,
                     [&](size_t from, size_t to) { return word.span(from, to); });
      if (!go_on()) return false;
    }
    return true;
  }

  simd::Block load(size_t position, size_t end) const {
    if (end - position >= kBlockBytes) return simd::Block(text_.data() + position);
    char padded[kBlockBytes] = {};
    std::memcpy(padded, text_.data() + position, end - position);
    return simd::Block(padded);
  }

  // A word whose normalised bytes are the key.
  template <typename SpanOf>
  void add_short_word(WordCache::Bucket& bucket, const simd::WordKey& key, uint32_t length,
                      SpanOf&& span_of_token) {
    const WordCache::Entry* entry = WordCache::find(bucket, key);
    if (entry == nullptr) return add_new_word(bucket, key, length, span_of_token);
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
  void add_new_word(WordCache::Bucket& bucket, const simd::WordKey& key, uint32_t length,
                    SpanOf&& span_of_token) {
    WordCache::Entry entry{key, {}, {}, 0};
    size_t count = 0;
    const auto keep = [&](int32_t id, size_t end) {
      if (count < WordCache::kMaxTokens) {
        entry.ids[count] = id;
        entry.ends[count] = static_cast<uint8_t>(end);
      }
      ++count;
    };
    const bool known = add_pieces(length, span_of_token, [&](auto&& on_token) {
      return parts_.model.cut_short(key, length, [&](int32_t id, size_t from, size_t to) {
        on_token(id, from, to);
        keep(id, to);
      });
    });
    if (!known) {
      count = 0;
      keep(parts_.model.unk_id(), length);
    }
    if (count > WordCache::kMaxTokens) return;
    entry.count = static_cast<uint8_t>(count);
    WordCache::insert(bucket, entry);
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
  WordsAhead ahead_;
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

  int cache_bits() const override { return kCacheBits; }

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
