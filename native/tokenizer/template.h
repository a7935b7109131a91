// Post-processing: special tokens and texts in the order of a template (TemplateProcessing).
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/token_buffer.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

// Special tokens in `pieces`.
int64_t count_special_tokens(const std::vector<TemplatePiece>& pieces);

// Tokens that the template makes of texts of these lengths.
int64_t count_tokens(const std::vector<TemplatePiece>& pieces, int64_t first, int64_t second,
                     bool add_special_tokens);

// `count` tokens of a text from `begin` on.
struct KeptTokens {
  const TokenBuffer& tokens;
  int64_t begin;
  int64_t count;
};

// Appends one sequence to `out`, its cu_seqlens entry included.
void append_sequence(const std::vector<TemplatePiece>& pieces, const KeptTokens& first,
                     const KeptTokens& second, const EncodeOptions& options, PackedEncoding& out);

}  // namespace fusebert
