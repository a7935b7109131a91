// The seam between a tokenizer and the family it is of: one text to tokens, special tokens of the
// template aside. A call a text; what a family does word by word is its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/encode_scratch.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

struct SequenceOptions {
  int64_t limit;
  bool to_the_end;  // go on beyond the limit
  bool utf16_offsets;
};

// Tokens that are found before anything else.
struct AddedTokenFinders {
  AddedTokenFinder original;    // in the original text
  AddedTokenFinder normalized;  // in what the family's normaliser makes of the rest
};

class TextEncoder {
 public:
  TextEncoder() = default;
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;
  virtual ~TextEncoder() = default;

  // Puts the text's tokens into `tokens` and returns what the reference counts as the text's
  // length. It stops at the first word with which the limit is reached, and truncating a pair
  // depends on where that was. At most tokens.size(), which is larger when there was more text.
  virtual int64_t encode(std::string_view text, const AddedTokenFinders& added,
                         const SequenceOptions& options, EncodeScratch& scratch,
                         TokenBuffer& tokens) const = 0;

  // Of the cache of words that encode() wants: see WordCache.
  virtual int cache_bits() const = 0;

  // The id of a token of the vocabulary, or -1.
  virtual int32_t token_to_id(std::string_view token) const = 0;

  // What the normaliser makes of a text: where added tokens are searched that say so.
  virtual std::string normalize(std::string_view text) const = 0;
};

// A checked vocabulary: token of an id, "" where there is none; and its tokens, sorted.
struct VocabularyView {
  const std::vector<std::string>& tokens;
  const std::vector<Trie::Entry>& sorted;
};

// The encoders of the families. kTokenizerFormat for what contradicts the vocabulary.
Result<std::unique_ptr<const TextEncoder>> make_encoder(const WordPieceSpec& spec,
                                                        const VocabularyView& vocab);
Result<std::unique_ptr<const TextEncoder>> make_encoder(const BytePairSpec& spec,
                                                        const VocabularyView& vocab);

}  // namespace fusebert
