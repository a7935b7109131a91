// Finding where parts end, and what belongs to them.
#include "backend/batch_parts.h"

#include <algorithm>
#include <cstddef>

namespace fusebert {

int64_t batch_tokens(const BackendOptions& options, int64_t wanted, const Geometry& geometry) {
  return std::max(options.max_batch_tokens > 0 ? options.max_batch_tokens : wanted,
                  geometry.max_position_embeddings);
}

Status BatchParts::check(const EncodeOutput& output) const {
  if (output.pooler_output == nullptr || geometry_.has_pooler) return Status();
  return Status(StatusCode::kInvalidArgument,
                "Expected a checkpoint with pooler.dense for the pooler's output.");
}

int64_t BatchParts::part_end(const PackedBatch& batch, int64_t begin) const {
  const int64_t first = batch.cu_seqlens[static_cast<size_t>(begin)];
  int64_t end = begin + 1;
  while (end < batch.batch_size() &&
         batch.cu_seqlens[static_cast<size_t>(end) + 1] - first <= max_tokens_) {
    ++end;
  }
  return end;
}

Result<PackedBatch> BatchParts::cut(const PackedBatch& batch, int64_t begin, int64_t end,
                                    EncodeOutput& output) {
  const auto first_sequence = static_cast<size_t>(begin);
  const auto count = static_cast<size_t>(end - begin);
  const int32_t first_token = batch.cu_seqlens[first_sequence];
  const auto tokens = static_cast<size_t>(batch.cu_seqlens[first_sequence + count] - first_token);
  if (static_cast<int64_t>(tokens) > max_tokens_) {
    return Status(StatusCode::kInternal, "A sequence is longer than max_position_embeddings.");
  }
  cu_seqlens_.resize(count + 1);
  for (size_t i = 0; i <= count; ++i) {
    cu_seqlens_[i] = batch.cu_seqlens[first_sequence + i] - first_token;
  }
  const int64_t hidden = geometry_.hidden_size;
  if (output.hidden_states != nullptr) output.hidden_states += first_token * hidden;
  if (output.pooled != nullptr) output.pooled += begin * hidden;
  if (output.pooler_output != nullptr) output.pooler_output += begin * hidden;
  const auto token = static_cast<size_t>(first_token);
  return PackedBatch{batch.input_ids.subspan(token, tokens),
                     batch.token_type_ids.subspan(token, tokens), cu_seqlens_};
}

}  // namespace fusebert
