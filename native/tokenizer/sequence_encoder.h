// One text to tokens, special tokens of the template aside: added tokens, normalisation, words,
// WordPiece, in this order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/wordpiece.h"

namespace fusebert {

// What a tokenizer consists of when it encodes.
struct TokenizerParts {
  Normalizer normalizer{NormalizerOptions{}};
  WordPiece model;
  int64_t max_input_chars_per_word = 0;
  AddedTokenFinder added;             // searched in the original text
  AddedTokenFinder added_normalized;  // searched in the normalised text
};

struct SequenceTokens {
  std::vector<Token> tokens;
  // What the reference counts as the text's length. It stops at the first word with which the
  // limit is reached, and truncating a pair depends on where that was. At most tokens.size(),
  // which is larger when there was more text.
  int64_t counted = 0;
};

// `limit`: tokens after which there is no need to go on.
SequenceTokens encode_sequence(const TokenizerParts& parts, std::string_view text, int64_t limit,
                               bool utf16_offsets);

}  // namespace fusebert
