// RoBERTa's family: added tokens, words of the pattern of GPT-2, byte-level BPE, in this order.
// Short ASCII words are found sixteen bytes at once, and short words of any kind are cut once.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/byte_pair.h"
#include "tokenizer/offset_trim.h"
#include "tokenizer/sequence_limit.h"
#include "tokenizer/simd/block.h"
#include "tokenizer/split_pattern.h"
#include "tokenizer/text_cursor.h"
#include "tokenizer/text_encoder.h"
#include "tokenizer/well_formed.h"
#include "tokenizer/words_ahead.h"

namespace fusebert {

namespace {

using simd::kBlockBytes;

// 65,536 words in 2 MiB: cutting a word costs twice as much as in WordPiece.
constexpr int kCacheBits = 15;

// What the family's tokenizers consist of when they encode.
struct Parts {
  BytePair model;
  Trie tokens;
  bool add_prefix_space;
  bool split_words;
  bool trim_offsets;
  bool keep_first_space;
  std::vector<OffsetTrim::Ends> ends;  // [vocabulary] with trim_offsets
  std::array<bool, 256> ends_letters;  // ASCII that ends a run of letters
};

// Where tokens of one word are in the text, the first one first.
class WordSpans {
 public:
  // `position` is where the byte `begin` is. With `spaced` the word has a space before it that the
  // text has not: it stands where the first character is.
  WordSpans(std::string_view text, size_t begin, Cursor cursor, bool spaced)
      : text_(text), begin_(begin), cursor_(cursor), spaced_(spaced), end_(begin) {}

  // Of the word's bytes [from, to): characters that are cut count whole.
  Span operator()(size_t from, size_t to) {
    const size_t shift = spaced_ ? 1 : 0;
    reach(begin_ + (from < shift ? 0 : from - shift));
    const int32_t start = span_.start;
    reach(begin_ + (to <= shift ? 0 : to - shift - 1));
    return {start, span_.end};
  }

 private:
  void read(size_t byte) {
    const utf8::Decoded decoded = utf8::decode(text_, byte);
    span_ = cursor_.advance(decoded.code_point);
    end_ = byte + static_cast<size_t>(decoded.bytes);
  }

  void reach(size_t byte) {
    while (end_ <= byte) read(end_);
  }

  std::string_view text_;
  size_t begin_;
  Cursor cursor_;
  bool spaced_;
  Span span_;   // of the character at hand
  size_t end_;  // its end in the text
};

// One text on its way.
class Sequence {
 public:
  Sequence(const Parts& parts, std::string_view text, const AddedTokenFinders& added,
           const SequenceOptions& options, EncodeScratch& scratch, TokenBuffer& tokens)
      : parts_(parts),
        text_(utf8::well_formed(text, scratch.pairs.text)),
        added_(added),
        cache_(scratch.words),
        scratch_(scratch.pairs),
        tokens_(tokens),
        cursor_(text_, options.utf16_offsets),
        trims_(tokens.keeps_spans() && parts.trim_offsets),
        several_(options.to_the_end),
        limit_(options, tokens),
        ahead_(scratch.words) {}

  int64_t run() && {
    added_.original.split(text_, [&](const AddedToken* token, size_t begin, size_t end) {
      if (token != nullptr) return add_token(*token, begin, end);
      return encode_between(begin, end);
    });
    add_found();
    return limit_.counted();
  }

 private:
  bool encode_between(size_t begin, size_t end) {
    const std::string_view text = text_.substr(begin, end - begin);
    return added_.normalized.split(text, [&](const AddedToken* token, size_t from, size_t to) {
      if (token != nullptr) return add_token(*token, begin + from, begin + to);
      return tokens_.keeps_spans() ? encode_piece<true>(begin + from, begin + to)
                                   : encode_piece<false>(begin + from, begin + to);
    });
  }

  bool add_token(const AddedToken& token, size_t begin, size_t end) {
    if (!add_found()) return false;
    tokens_.push_id(token.id);
    if (tokens_.keeps_spans()) {
      const Span span = cursor_.span(begin, end);
      if (trims_) push_trimmed(span, OffsetTrim::ends_of(text_.substr(begin, end - begin)), {1, 1});
      else tokens_.push_span(span);
    }
    return limit_.go_on_after_added();
  }

  // The text between added tokens.
  template <bool kSpans>
  bool encode_piece(size_t begin, size_t end) {
    if (kSpans) cursor_.move_to(begin);
    const std::string_view text = text_.substr(0, end);
    if (parts_.add_prefix_space && text[begin] != ' ') {
      if (!add_found()) return false;
      const size_t next =
          parts_.split_words ? split_pattern::word_end_after_space(text, begin) : end;
      add_spaced_word<kSpans>(begin, next);
      begin = next;
      if (!limit_.go_on()) return false;
    }
    if (parts_.split_words) return encode_words<kSpans>(text, begin);
    return begin == end || encode_word<kSpans>(text, begin, end, load(text, begin));
  }

  template <bool kSpans>
  bool encode_words(std::string_view text, size_t position) {
    while (position < text.size()) {
      const simd::Block block = load(text, position);
      const uint32_t space = text[position] == ' ' ? 1 : 0;
      const uint32_t letters = block.letter_run(space);
      const uint32_t length = space + letters;
      const size_t next = position + length;
      const bool whole = letters > 0 && length < kBlockBytes &&
                         (next == text.size() || parts_.ends_letters[byte_at(text, next)]);
      if (!whole) {
        const size_t word_end = split_pattern::word_end(text, position);
        const int32_t byte_id = kSpans ? parts_.model.byte_id(text[position]) : -1;
        const bool more = word_end == position + 1 && byte_id >= 0
                              ? encode_byte(byte_id)
                              : encode_word<kSpans>(text, position, word_end, block);
        if (!more) return false;
        position = word_end;
        continue;
      }
      const int32_t start = kSpans ? cursor_.cursor().advance_ascii(length).start : 0;
      if (kSpans) cursor_.skip_to(next);
      if (!add_later(block.key(length, 0), length, start)) return false;
      position = next;
    }
    return true;
  }

  // A word whose bytes are the key; where spans are kept, each of its characters is a byte, from
  // `start` on. Its tokens come a few words later.
  bool add_later(const simd::WordKey& key, uint32_t length, int32_t start) {
    return ahead_.add(key, length, start) || add_found();
  }

  // The tokens of all words that wait for them.
  bool add_found() {
    return tokens_.keeps_spans() ? add_words<true>(ahead_.take()) : add_words<false>(ahead_.take());
  }

  template <bool kSpans>
  bool add_words(std::span<const WordsAhead::Word> words) {
    for (const WordsAhead::Word& word : words) {
      add_short_word<kSpans>(*word.bucket, word.key, word.length, 1,
                             [&](size_t from, size_t to) { return word.span(from, to); });
      if (!limit_.go_on()) return false;
    }
    return true;
  }

  // A word of one byte where spans are kept: punctuation, a line's end, a digit.
  bool encode_byte(int32_t id) {
    if (!add_found()) return false;
    tokens_.push_id(id);
    push_token_span(id, cursor_.cursor().advance_ascii(1), 0, 1, 1);
    cursor_.skip_to(cursor_.byte() + 1);
    return limit_.go_on();
  }

  // A word of any characters, the first of which are in the block.
  template <bool kSpans>
  bool encode_word(std::string_view text, size_t begin, size_t end, const simd::Block& block) {
    WordSpans spans(text, begin, cursor_.cursor(), false);
    const size_t length = end - begin;
    const simd::WordKey key =
        block.key(static_cast<uint32_t>(std::min(length, kBlockBytes)), 0);
    if (!kSpans && is_short(key, length)) return add_later(key, static_cast<uint32_t>(length), 0);
    if (!add_found()) return false;
    add_word<kSpans>(text.substr(begin, length), key, 1, spans);
    if (kSpans) cursor_.move_to(end);
    return limit_.go_on();
  }

  // A word with a space before it that the text has not. The space alone may be the word.
  template <bool kSpans>
  void add_spaced_word(size_t begin, size_t end) {
    scratch_.word = ' ';
    scratch_.word.append(text_, begin, end - begin);
    WordSpans spans(text_, begin, cursor_.cursor(), true);
    const Span first = kSpans ? WordSpans(spans)(0, 1) : Span{};
    const simd::WordKey key =
        simd::make_key(scratch_.word.data(), std::min(scratch_.word.size(), kBlockBytes));
    add_word<kSpans>(scratch_.word, key, first.end - first.start, spans);
    if (kSpans) cursor_.move_to(end);
  }

  // `key`: the first bytes of the word.
  template <bool kSpans>
  void add_word(std::string_view word, const simd::WordKey& key, int32_t space_unit,
                WordSpans& spans) {
    const size_t length = word.size();
    if (is_short(key, length)) {
      add_short_word<kSpans>(*cache_.bucket(key), key, static_cast<uint32_t>(length), space_unit,
                             spans);
    } else {
      cut<kSpans>(word, space_unit, spans, [](int32_t, size_t) {});
    }
  }

  static bool is_short(const simd::WordKey& key, size_t length) {
    return length < kBlockBytes && !simd::has_zero(key, length);
  }

  static unsigned char byte_at(std::string_view text, size_t position) {
    return static_cast<unsigned char>(text[position]);
  }

  static simd::Block load(std::string_view text, size_t position) {
    if (text.size() - position >= kBlockBytes) return simd::Block(text.data() + position);
    char padded[kBlockBytes] = {};
    std::memcpy(padded, text.data() + position, text.size() - position);
    return simd::Block(padded);
  }

  // A word whose bytes are the key.
  template <bool kSpans, typename SpanOf>
  void add_short_word(WordCache::Bucket& bucket, const simd::WordKey& key, uint32_t length,
                      int32_t space_unit, SpanOf&& span_of_token) {
    const WordCache::Entry* entry = WordCache::find(bucket, key);
    if (entry == nullptr) {
      return add_new_word<kSpans>(bucket, key, length, space_unit, span_of_token);
    }
    std::memcpy(tokens_.room(WordCache::kMaxTokens), entry->ids.data(), sizeof(entry->ids));
    tokens_.commit(entry->count);
    if (!kSpans) return;
    size_t from = 0;
    for (size_t i = 0; i < entry->count; ++i) {
      const size_t to = entry->ends[i];
      push_token_span(entry->ids[i], span_of_token(from, to), from, to, space_unit);
      from = to;
    }
  }

  // Cuts a word and keeps its tokens for the next time.
  template <bool kSpans, typename SpanOf>
  void add_new_word(WordCache::Bucket& bucket, const simd::WordKey& key, uint32_t length,
                    int32_t space_unit, SpanOf&& span_of_token) {
    char bytes[kBlockBytes];
    simd::key_bytes(key, bytes);
    WordCache::Entry entry{key, {}, {}, 0};
    size_t count = 0;
    const bool complete =
        cut<kSpans>({bytes, length}, space_unit, span_of_token, [&](int32_t id, size_t end) {
          if (count < WordCache::kMaxTokens) {
            entry.ids[count] = id;
            entry.ends[count] = static_cast<uint8_t>(end);
          }
          ++count;
        });
    if (!complete || count > WordCache::kMaxTokens) return;
    entry.count = static_cast<uint8_t>(count);
    WordCache::insert(bucket, entry);
  }

  // Adds the tokens of a word, and tells on_token(id, end) of each. False as BytePair::cut.
  template <bool kSpans, typename SpanOf, typename OnToken>
  bool cut(std::string_view word, int32_t space_unit, SpanOf&& span_of_token,
           OnToken&& on_token) {
    return parts_.model.cut(word, scratch_, [&](int32_t id, size_t from, size_t to) {
      tokens_.push_id(id);
      if (kSpans) push_token_span(id, span_of_token(from, to), from, to, space_unit);
      on_token(id, to);
    });
  }

  // Of the bytes [from, to) of a word. `space_unit`: the length of a space that it begins with.
  void push_token_span(int32_t id, Span span, size_t from, size_t to, int32_t space_unit) {
    if (!trims_) return tokens_.push_span(span);
    push_trimmed(span, parts_.ends[static_cast<size_t>(id)],
                 {from == 0 ? space_unit : 1, from == 0 && to == 1 ? space_unit : 1});
  }

  void push_trimmed(Span span, OffsetTrim::Ends ends, OffsetTrim::Units units) {
    const bool keep = parts_.keep_first_space;
    const bool first = tokens_.spans().empty();
    tokens_.push_span(OffsetTrim::trim(span, ends, units, first, keep));
    // Another sequence may begin with any token.
    if (several_) tokens_.push_first_span(OffsetTrim::trim(span, ends, units, true, keep));
  }

  const Parts& parts_;
  std::string_view text_;
  const AddedTokenFinders& added_;
  WordCache& cache_;
  BytePairScratch& scratch_;
  TokenBuffer& tokens_;
  TextCursor cursor_;  // moves only where spans are kept
  bool trims_;
  bool several_;  // sequences may come of the text
  SequenceLimit limit_;
  WordsAhead ahead_;
};

class BytePairEncoder final : public TextEncoder {
 public:
  explicit BytePairEncoder(Parts parts) : parts_(std::move(parts)) {}

  int64_t encode(std::string_view text, const AddedTokenFinders& added,
                 const SequenceOptions& options, EncodeScratch& scratch,
                 TokenBuffer& tokens) const override {
    return Sequence(parts_, text, added, options, scratch, tokens).run();
  }

  int cache_bits() const override { return kCacheBits; }

  int32_t token_to_id(std::string_view token) const override {
    return parts_.tokens.find(token);
  }

  // There is no normaliser.
  std::string normalize(std::string_view text) const override { return std::string(text); }

 private:
  Parts parts_;
};

Status format_error(std::string message) {
  return Status(StatusCode::kTokenizerFormat, std::move(message));
}

Status check_merges(const std::vector<Merge>& merges, const std::vector<std::string>& tokens) {
  if (merges.size() > MergeTable::kMaxMerges) {
    return format_error("Expected at most " + std::to_string(MergeTable::kMaxMerges) +
                        " merges but received " + std::to_string(merges.size()) + ".");
  }
  const auto known = [&](int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < tokens.size() &&
           !tokens[static_cast<size_t>(id)].empty();
  };
  for (const Merge& merge : merges) {
    if (known(merge.left) && known(merge.right) && known(merge.merged) &&
        tokens[static_cast<size_t>(merge.left)] + tokens[static_cast<size_t>(merge.right)] ==
            tokens[static_cast<size_t>(merge.merged)]) {
      continue;
    }
    return format_error("Expected merges of two tokens into one that is both of them, but number " +
                        std::to_string(&merge - merges.data()) + " is none.");
  }
  return Status();
}

std::array<bool, 256> find_ends_of_letters() {
  std::array<bool, 256> ends{};
  for (unsigned char byte = 0; byte < 0x80; ++byte) {
    ends[byte] = unicode::split_class(byte) != unicode::SplitClass::kLetter;
  }
  return ends;
}

}  // namespace

Result<std::unique_ptr<const TextEncoder>> make_encoder(const BytePairSpec& spec,
                                                        const VocabularyView& vocab) {
  FUSEBERT_RETURN_IF_ERROR(check_merges(spec.merges, vocab.tokens));
  int32_t unk_id = -1;
  if (spec.unk_token) {
    unk_id = find_entry(vocab.sorted, *spec.unk_token);
    if (unk_id < 0) {
      return format_error("Expected the unknown token in the vocabulary but it is not there.");
    }
  }
  Parts parts{BytePair(spec, vocab.sorted, unk_id), Trie(vocab.sorted), spec.add_prefix_space,
              spec.split_words, spec.trim_offsets, spec.keep_first_space, {},
              find_ends_of_letters()};
  if (spec.trim_offsets) {
    for (const std::string& token : vocab.tokens) parts.ends.push_back(OffsetTrim::ends_of(token));
  }
  return std::unique_ptr<const TextEncoder>(std::make_unique<BytePairEncoder>(std::move(parts)));
}

}  // namespace fusebert
