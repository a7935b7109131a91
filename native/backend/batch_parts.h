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

// kInvalidArgument when the output is one that a model of this geometry does not have.
Status check_output(const EncodeOutput& output, const Geometry& geometry);

class BatchParts {
 public:
  // Of at most max_tokens tokens each; no sequence is longer. `hidden_size`: of every output.
  BatchParts(int64_t max_tokens, int64_t hidden_size)
      : max_tokens_(max_tokens), hidden_size_(hidden_size) {}

  // run(part, its outputs) for one part after the other, until one fails or `cancelled` is set.
  template <class Run>
  Status for_each(const PackedBatch& batch, const EncodeOutput& output,
                  const std::atomic<bool>& cancelled, const Run& run) {
    for (int64_t begin = 0; begin < batch.batch_size();) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return Status(StatusCode::kAborted, "The request was cancelled.");
      }
      const int64_t end = part_end(batch, begin);
      EncodeOutput out = output;
      const auto part = cut(batch, begin, end, out);
      if (!part.ok()) return part.status();
      FUSEBERT_RETURN_IF_ERROR(run(part.value(), out));
      begin = end;
    }
    return Status();
  }

 private:
  int64_t part_end(const PackedBatch& batch, int64_t begin) const;
  // Sequences [begin, end); moves `output` on to what belongs to them.
  Result<PackedBatch> cut(const PackedBatch& batch, int64_t begin, int64_t end,
                          EncodeOutput& output);

  int64_t max_tokens_;
  int64_t hidden_size_;
  std::vector<int32_t> cu_seqlens_;  // a part's, from zero
};

}  // namespace fusebert
