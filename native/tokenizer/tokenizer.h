// The tokenizers of BERT (WordPiece) and RoBERTa (byte-level BPE): words, tokens, special tokens,
// truncation, as Hugging Face's `tokenizers` defines them. Text goes in as UTF-8 and ids come out
// packed. Immutable once made, so any number of threads may use one at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/large_vector.h"
#include "core/status.h"

namespace fusebert {

struct EncodeScratch;

// A token that is found in the text before anything else happens (AddedVocabulary of `tokenizers`).
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;      // left out by decoders; the mask counts the template's tokens only
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space to its left with it
  bool rstrip = false;
  bool normalized = false;   // searched in the normalised text instead of the original
};

// One piece of a post-processor's template: a special token or a sequence.
struct TemplatePiece {
  enum class Kind { kSpecialToken, kSequenceA, kSequenceB };
  Kind kind = Kind::kSpecialToken;
  int32_t id = 0;       // of the special token
  int32_t type_id = 0;  // token type of the piece
};

// How tokens become text again.
struct DecoderSpec {
  // kNone: with spaces between them. kWordPiece: without one before tokens that begin with
  // `prefix`, which is taken off. kByteLevel: their characters are bytes of UTF-8.
  enum class Kind { kNone, kWordPiece, kByteLevel };
  Kind kind = Kind::kNone;
  std::string prefix = "##";
  bool cleanup = false;  // kWordPiece: no spaces before punctuation and in English contractions
};

// BertNormalizer, BertPreTokenizer and WordPiece.
struct WordPieceSpec {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  int64_t max_input_chars_per_word = 100;
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents;  // unset: as lowercase
  bool lowercase = true;
};

// Two tokens that become one.
struct Merge {
  int32_t left = 0;
  int32_t right = 0;
  int32_t merged = 0;
};

// ByteLevel and BPE, and what the post-processors ByteLevel and RobertaProcessing do to offsets.
struct BytePairSpec {
  std::vector<Merge> merges;  // the first ones are done first
  std::optional<std::string> unk_token;  // unset: bytes that no token has are left out
  bool fuse_unk = false;        // one unknown token for neighbours
  bool ignore_merges = false;   // a word that is a token is that token
  bool add_prefix_space = false;
  bool split_words = true;      // by the pattern of GPT-2
  bool trim_offsets = false;    // white space is left out of offsets
  bool keep_first_space = false;  // with trim_offsets: but one space that a text begins with
};

struct TokenizerSpec {
  std::vector<std::string> vocab;  // vocab[id] = token; "" where no token has that id
  std::variant<WordPieceSpec, BytePairSpec> model;
  std::vector<AddedToken> added_tokens;
  std::vector<TemplatePiece> single_template;
  std::vector<TemplatePiece> pair_template;
  DecoderSpec decoder;
};

enum class Truncation { kNone, kLongestFirst, kOnlyFirst, kOnlySecond };
enum class OffsetUnit { kNone, kUtf16, kCodePoint };

struct EncodeOptions {
  Truncation truncation = Truncation::kNone;
  int64_t max_length = 0;  // tokens, special ones included; 0: no limit
  bool add_special_tokens = true;
  OffsetUnit offsets = OffsetUnit::kNone;
  bool special_tokens_mask = false;
  // What truncation cuts off follows in sequences of its own, which repeat `stride` tokens of the
  // one before. Then all of the text is read; the reference stops where max_length is reached.
  bool overflowing = false;
  int64_t stride = 0;
  // kLongestFirst compares how long two texts that are cut really are, and the longer one gets an
  // odd token, as in Python. Without it the lengths are those at which reading stopped, with the
  // word that reached max_length, as in the npm package; of equal ones the second gets it.
  bool whole_lengths = false;
  bool drop_empty_pairs = false;  // a second text without a byte is none
};

struct DecodeOptions {
  bool skip_special_tokens = false;
  bool clean_up_tokenization_spaces = false;  // as transformers does, after the decoder
};

// Where encodings are appended. One object can hold many sequences, packed.
struct PackedEncoding {
  LargeVector<int32_t> input_ids;        // [total_tokens]
  LargeVector<int32_t> token_type_ids;   // [total_tokens]; or none, where all of them are 0
  LargeVector<int32_t> cu_seqlens{0};    // [sequences + 1]
  LargeVector<int32_t> offsets;          // [total_tokens, 2] start, end; when asked for
  LargeVector<uint8_t> special_tokens_mask;  // [total_tokens], 1: of the template; when asked for
  int64_t truncated = 0;                 // sequences that lost tokens

  // Of the last `count` tokens of input_ids, once they are there.
  void add_types(size_t count, int32_t type_id) {
    if (token_type_ids.empty() && type_id == 0) return;
    token_type_ids.resize(input_ids.size() - count);
    token_type_ids.insert(token_type_ids.end(), count, type_id);
  }

  // Writes zeros where there are none.
  void write_out_types() { token_type_ids.resize(input_ids.size()); }
};

class Tokenizer {
 public:
  class Session;

  // kTokenizerFormat when the parts contradict each other (unknown-token missing, template ids
  // outside the vocabulary, duplicate tokens, …).
  static Result<std::shared_ptr<const Tokenizer>> create(TokenizerSpec spec);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Session::encode and Session::count of a session for one text.
  Status encode(std::string_view text, std::optional<std::string_view> pair,
                const EncodeOptions& options, PackedEncoding& out) const;
  Result<int64_t> count(std::string_view text, std::optional<std::string_view> pair,
                        const EncodeOptions& options) const;

  // The text of tokens. Ids that no token has are left out.
  std::string decode(std::span<const int32_t> ids, const DecodeOptions& options) const;
  // The same of tokens that need not be in the vocabulary, such as what an unknown one stood for.
  std::string decode_tokens(std::span<const std::string_view> tokens) const;

  int64_t vocab_size() const;  // highest id + 1, added tokens included
  // -1 when there is no such token.
  int32_t token_to_id(std::string_view token) const;
  // "" when there is no such id. An added token that is searched in normalised text is given as
  // it is searched.
  std::string_view id_to_token(int32_t id) const;
  // Special tokens that the template adds to one text, or to a pair.
  int64_t special_token_count(bool pair) const;

 private:
  struct Impl;
  struct Pass;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

// Encodes texts one after the other, on one thread at a time, with what it works with kept from
// text to text. The tokenizer outlives it.
class Tokenizer::Session {
 public:
  explicit Session(const Tokenizer& tokenizer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Appends the encoding of `text` (and `pair`) to `out`. The text need not be valid UTF-8:
  // malformed bytes become U+FFFD. Fails without appending with kInvalidArgument (max_length too
  // small for the template's special tokens), kInputTooLong (truncation cannot make it fit:
  // `only_first` when the second text alone is too long, …). With truncation kNone and
  // max_length > 0, a longer encoding is kInputTooLong too. kInvalidArgument as well where as many
  // tokens as are kept of a text, or more, would be repeated.
  Status encode(std::string_view text, std::optional<std::string_view> pair,
                const EncodeOptions& options, PackedEncoding& out);

  // How many tokens encode() would append, overflowing ones left out. It appends nothing.
  Result<int64_t> count(std::string_view text, std::optional<std::string_view> pair,
                        const EncodeOptions& options);

 private:
  Result<Pass> tokenize(std::string_view text, std::optional<std::string_view> pair,
                        const EncodeOptions& options);

  const Impl& impl_;
  std::unique_ptr<EncodeScratch> scratch_;
};

}  // namespace fusebert
