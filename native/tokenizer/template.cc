// Lays tokens out by a template into the packed arrays.
#include "tokenizer/template.h"

namespace fusebert {

int64_t count_special_tokens(const std::vector<TemplatePiece>& pieces) {
  int64_t count = 0;
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::kSpecialToken) ++count;
  }
  return count;
}

int64_t count_tokens(const std::vector<TemplatePiece>& pieces, int64_t first, int64_t second,
                     bool add_special_tokens) {
  int64_t count = add_special_tokens ? count_special_tokens(pieces) : 0;
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::kSequenceA) count += first;
    if (piece.kind == TemplatePiece::Kind::kSequenceB) count += second;
  }
  return count;
}

void append_sequence(const std::vector<TemplatePiece>& pieces, std::span<const Token> first,
                     std::span<const Token> second, const EncodeOptions& options,
                     PackedEncoding& out) {
  const auto append = [&](const Token& token, int32_t type_id, uint8_t special) {
    out.input_ids.push_back(token.id);
    out.token_type_ids.push_back(type_id);
    if (options.offsets != OffsetUnit::kNone) {
      out.offsets.push_back(token.span.start);
      out.offsets.push_back(token.span.end);
    }
    if (options.special_tokens_mask) out.special_tokens_mask.push_back(special);
  };
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::kSpecialToken) {
      if (options.add_special_tokens) append({piece.id, {}}, piece.type_id, 1);
      continue;
    }
    const bool is_first = piece.kind == TemplatePiece::Kind::kSequenceA;
    for (const Token& token : is_first ? first : second) append(token, piece.type_id, 0);
  }
  out.cu_seqlens.push_back(static_cast<int32_t>(out.input_ids.size()));
}

}  // namespace fusebert
