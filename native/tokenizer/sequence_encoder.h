// One text to tokens, special tokens of the template aside: added tokens, normalisation, words,
// WordPiece, in this order.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tokenizer/added_tokens.h"
#include "tokenizer/byte_classes.h"
#include "tokenizer/character_table.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/token_buffer.h"
#include "tokenizer/word.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/wordpiece.h"

namespace fusebert {

// What a tokenizer consists of when it encodes.
struct TokenizerParts {
  TokenizerParts(const NormalizerOptions& options, WordPiece wordpiece, int64_t max_chars);

  Normalizer normalizer;
  ByteClasses bytes;
  CharacterTable characters;
  WordPiece model;
  int64_t max_input_chars_per_word;
  std::array<int32_t, 128> punctuation;  // the token of each ASCII character as a word
  AddedTokenFinder added;                // searched in the original text
  AddedTokenFinder added_normalized;     // searched in the normalised text
};

// What encoding works with, kept from text to text. For one thread at a time and one tokenizer.
struct EncodeScratch {
  WordCache words;
  Word word;
  TokenBuffer first;   // tokens of a text
  TokenBuffer second;  // and of its pair
};

struct SequenceOptions {
  int64_t limit;
  bool to_the_end;  // go on beyond the limit
  bool utf16_offsets;
};

// Puts the text's tokens into `tokens` and returns what the reference counts as the text's length.
// It stops at the first word with which the limit is reached, and truncating a pair depends on
// where that was. At most tokens.size(), which is larger when there was more text.
int64_t encode_sequence(const TokenizerParts& parts, std::string_view text,
                        const SequenceOptions& options, EncodeScratch& scratch,
                        TokenBuffer& tokens);

}  // namespace fusebert
