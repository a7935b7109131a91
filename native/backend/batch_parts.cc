// Finding where parts end, and what belongs to them.
#include "backend/batch_parts.h"

#include <algorithm>
#include <cstddef>

namespace fusebert {

int64_t batch_tokens(const BackendOptions& options, int64_t wanted, const Geometry& geometry) {
  return std::max(options.max_batch_tokens > 0 ? options.max_batch_tokens : wanted,
                  geometry.max_position_embeddings);
}

EncodeOutput output_after(const EncodeOutput& output, int64_t sequences, int64_t tokens,
                          int64_t hidden_size) {
  EncodeOutput after = output;
  if (after.hidden_states != nullptr) after.hidden_states += tokens * hidden_size;
  if (after.pooled != nullptr) after.pooled += sequences * hidden_size;
  if (after.pooler_output != nullptr) after.pooler_output += sequences * hidden_size;
  return after;
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
  const PackedBatch part = sequences_of(batch, begin, end, cu_seqlens_);
  if (part.total_tokens() > max_tokens_) {
    return Status(StatusCode::kInternal, "A sequence is longer than max_position_embeddings.");
  }
  const int64_t first_token = batch.cu_seqlens[static_cast<size_t>(begin)];
  output = output_after(output, begin, first_token, geometry_.hidden_size);
  return part;
}

}  // namespace fusebert
