// Finding where parts end, and what belongs to them.
#include "backend/batch_parts.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace fusebert {

int64_t batch_tokens(const BackendOptions& options, int64_t wanted, const Geometry& geometry) {
  return std::max(options.max_batch_tokens > 0 ? options.max_batch_tokens : wanted,
                  geometry.max_sequence_length());
}

Status check_head(const Geometry& geometry, int32_t top) {
  if (!geometry.head.has_value()) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected a model with a head for logits but received one without.");
  }
  const int64_t most = std::min<int64_t>(TopLogits::kMost, geometry.head->outputs);
  if (top >= 0 && top <= most) return Status();
  return Status(StatusCode::kInvalidArgument, "Expected 0 to " + std::to_string(most) +
                                                  " of the largest logits but received " +
                                                  std::to_string(top) + ".");
}

EncodeOutput output_after(const EncodeOutput& output, const PackedBatch& batch, int64_t sequences,
                          const Geometry& geometry) {
  const auto boundaries = batch.cu_seqlens.first(static_cast<size_t>(sequences) + 1);
  const int64_t tokens = boundaries.back();
  const auto advance = [](auto*& pointer, int64_t count) {
    if (pointer != nullptr) pointer += count;
  };
  EncodeOutput after = output;
  advance(after.hidden_states, tokens * geometry.hidden_size);
  advance(after.pooled, sequences * output.pooling.count * geometry.hidden_size);
  advance(after.pooler_output, sequences * geometry.hidden_size);
  if (!output.wants_head() || !geometry.head.has_value()) return after;  // the latter is refused
  const auto before = static_cast<size_t>(tokens);
  const PackedBatch first{batch.input_ids.first(before), batch.token_type_ids.first(before),
                          boundaries};
  const int64_t rows = count_head_rows(*geometry.head, first, output.head_token);
  advance(after.logits, rows * geometry.head->outputs);
  advance(after.top.columns, rows * output.top.count);
  advance(after.top.values, rows * output.top.count);
  advance(after.top.log_sum_exp, rows);
  return after;
}

Status BatchParts::check(const EncodeOutput& output) const {
  if (output.pooler_output != nullptr && !geometry_.has_pooler) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected a checkpoint with pooler.dense for the pooler's output.");
  }
  if (output.normalize && output.pooling.count > 1) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected one pooling where vectors are normalized but received several.");
  }
  return output.wants_head() ? check_head(geometry_, output.top.count) : Status();
}

int64_t BatchParts::logits_of(const PackedBatch& batch, const EncodeOutput& output,
                              int64_t sequence) const {
  if (!output.wants_head()) return 0;
  const Head& head = *geometry_.head;
  return count_head_rows_of(head, batch, sequence, output.head_token) * head.outputs;
}

int64_t BatchParts::part_end(const PackedBatch& batch, const EncodeOutput& output,
                             int64_t begin) const {
  const int64_t first = batch.cu_seqlens[static_cast<size_t>(begin)];
  int64_t logits = logits_of(batch, output, begin);
  int64_t end = begin + 1;
  while (end < batch.batch_size() &&
         batch.cu_seqlens[static_cast<size_t>(end) + 1] - first <= max_tokens_) {
    logits += logits_of(batch, output, end);
    if (logits > max_logits_) break;
    ++end;
  }
  return end;
}

Result<PackedBatch> BatchParts::cut(const PackedBatch& batch, int64_t begin, int64_t end,
                                    EncodeOutput& output) {
  const PackedBatch part = sequences_of(batch, begin, end, cu_seqlens_);
  if (part.total_tokens() > max_tokens_) {
    return Status(StatusCode::kInternal, "A sequence is longer than the model has positions.");
  }
  output = output_after(output, batch, begin, geometry_);
  return part;
}

}  // namespace fusebert
