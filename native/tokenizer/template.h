// Post-processing: special tokens and texts in the order of a template (TemplateProcessing).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/wordpiece.h"

namespace fusebert {

// Special tokens in `pieces`.
int64_t count_special_tokens(const std::vector<TemplatePiece>& pieces);

// Tokens that the template makes of texts of these lengths.
int64_t count_tokens(const std::vector<TemplatePiece>& pieces, int64_t first, int64_t second,
                     bool add_special_tokens);

// Appends one sequence to `out`, its cu_seqlens entry included.
void append_sequence(const std::vector<TemplatePiece>& pieces, std::span<const Token> first,
                     std::span<const Token> second, const EncodeOptions& options,
                     PackedEncoding& out);

}  // namespace fusebert
