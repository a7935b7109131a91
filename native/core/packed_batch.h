// A packed batch: sequences lie end to end, without padding, and cu_seqlens says where each
// starts. Everything from the tokenizer to the backends speaks this form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fusebert {

// Borrowed views. Invariants, established by whoever builds a batch and relied upon by backends:
// cu_seqlens[0] = 0, strictly increasing (no empty sequence), cu_seqlens[batch_size] =
// total_tokens; ids, and types where there are any, are inside the model's tables; every sequence
// is at most as long as there are positions for (Geometry::max_sequence_length).
struct PackedBatch {
  std::span<const int32_t> input_ids;       // [total_tokens]
  std::span<const int32_t> token_type_ids;  // [total_tokens]
  std::span<const int32_t> cu_seqlens;      // [batch_size + 1]

  int64_t total_tokens() const { return static_cast<int64_t>(input_ids.size()); }
  int64_t batch_size() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

// Sequences [begin, end) of a batch. Their cu_seqlens, from zero, are put into `cu_seqlens`, which
// must outlive the result.
inline PackedBatch sequences_of(const PackedBatch& batch, int64_t begin, int64_t end,
                                std::vector<int32_t>& cu_seqlens) {
  const auto boundaries = batch.cu_seqlens.subspan(static_cast<std::size_t>(begin),
                                                   static_cast<std::size_t>(end - begin) + 1);
  cu_seqlens.assign(boundaries.begin(), boundaries.end());
  for (int32_t& boundary : cu_seqlens) boundary -= boundaries.front();
  const auto token = static_cast<std::size_t>(boundaries.front());
  const auto tokens = static_cast<std::size_t>(cu_seqlens.back());
  return {batch.input_ids.subspan(token, tokens), batch.token_type_ids.subspan(token, tokens),
          cu_seqlens};
}

}  // namespace fusebert
