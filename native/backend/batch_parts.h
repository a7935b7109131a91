// Cutting a batch into parts that a backend's workspace holds: whole sequences, as many as fit.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "model/geometry.h"

namespace fusebert {

// Tokens of a part: what the options or else the backend wants, but never less than any single
// sequence needs.
int64_t batch_tokens(const BackendOptions& options, int64_t wanted, const Geometry& geometry);

// kInvalidArgument when a model of this geometry has no head, or one of fewer outputs than `top`
// largest logits.
Status check_head(const Geometry& geometry, int32_t top);

// Where the results of a batch go that are after its first `sequences`.
EncodeOutput output_after(const EncodeOutput& output, const PackedBatch& batch, int64_t sequences,
                          const Geometry& geometry);

class BatchParts {
 public:
  // Of at most max_tokens tokens each; no sequence is longer. And of at most max_logits logits, but
  // for a sequence that has more by itself.
  BatchParts(int64_t max_tokens, const Geometry& geometry, int64_t max_logits = INT64_MAX)
      : max_tokens_(max_tokens), max_logits_(max_logits), geometry_(geometry) {}

  // run(part, its outputs) for one part after the other, until one fails or `cancelled` is set.
  // kInvalidArgument when the output is one that a model of this geometry does not have.
  template <class Run>
  Status for_each(const PackedBatch& batch, const EncodeOutput& output,
                  const std::atomic<bool>& cancelled, const Run& run) {
    FUSEBERT_RETURN_IF_ERROR(check(output));
    for (int64_t begin = 0; begin < batch.batch_size();) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return Status(StatusCode::kAborted, "The request was cancelled.");
      }
      const int64_t end = part_end(batch, output, begin);
      EncodeOutput out = output;
      const auto part = cut(batch, begin, end, out);
      if (!part.ok()) return part.status();
      FUSEBERT_RETURN_IF_ERROR(run(part.value(), out));
      begin = end;
    }
    return Status();
  }

 private:
  Status check(const EncodeOutput& output) const;
  int64_t part_end(const PackedBatch& batch, const EncodeOutput& output, int64_t begin) const;
  int64_t logits_of(const PackedBatch& batch, const EncodeOutput& output, int64_t sequence) const;
  // Sequences [begin, end); moves `output` on to what belongs to them.
  Result<PackedBatch> cut(const PackedBatch& batch, int64_t begin, int64_t end,
                          EncodeOutput& output);

  int64_t max_tokens_, max_logits_;
  Geometry geometry_;
  std::vector<int32_t> cu_seqlens_;  // a part's, from zero
};

}  // namespace fusebert
