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

namespace {

void append_text(const KeptTokens& text, int32_t type_id, const EncodeOptions& options,
                 PackedEncoding& out) {
  const auto begin = static_cast<size_t>(text.begin);
  const auto count = static_cast<size_t>(text.count);
  const std::span<const int32_t> ids = text.tokens.ids().subspan(begin, count);
  out.input_ids.insert(out.input_ids.end(), ids.begin(), ids.end());
  out.add_types(count, type_id);
  if (options.special_tokens_mask) {
    out.special_tokens_mask.insert(out.special_tokens_mask.end(), count, 0);
  }
  if (options.offsets == OffsetUnit::kNone) return;
  const size_t first = out.offsets.size();
  for (const Span& span : text.tokens.spans().subspan(begin, count)) {
    out.offsets.push_back(span.start);
    out.offsets.push_back(span.end);
  }
  if (begin == 0 || count == 0) return;
  const Span span = text.tokens.first_span(begin);
  out.offsets[first] = span.start;
  out.offsets[first + 1] = span.end;
}

void append_special(const TemplatePiece& piece, const EncodeOptions& options,
                    PackedEncoding& out) {
  out.input_ids.push_back(piece.id);
  out.add_types(1, piece.type_id);
  if (options.special_tokens_mask) out.special_tokens_mask.push_back(1);
  if (options.offsets != OffsetUnit::kNone) out.offsets.insert(out.offsets.end(), 2, 0);
}

}  // namespace

void append_sequence(const std::vector<TemplatePiece>& pieces, const KeptTokens& first,
                     const KeptTokens& second, const EncodeOptions& options, PackedEncoding& out) {
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::kSequenceA) {
      append_text(first, piece.type_id, options, out);
    } else if (piece.kind == TemplatePiece::Kind::kSequenceB) {
      append_text(second, piece.type_id, options, out);
    } else if (options.add_special_tokens) {
      append_special(piece, options, out);
    }
  }
  out.cu_seqlens.push_back(static_cast<int32_t>(out.input_ids.size()));
}

}  // namespace fusebert
