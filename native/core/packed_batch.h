// A packed batch: sequences lie end to end, without padding, and cu_seqlens says where each
// starts. Everything from the tokenizer to the backends speaks this form.
#pragma once

#include <cstdint>
#include <span>

namespace fusebert {

// Borrowed views. Invariants, established by whoever builds a batch and relied upon by backends:
// cu_seqlens[0] = 0, strictly increasing (no empty sequence), cu_seqlens[batch_size] =
// total_tokens; ids and types are inside the model's tables; every sequence is at most
// max_position_embeddings long. The position id of a token is its index inside its sequence.
struct PackedBatch {
  std::span<const int32_t> input_ids;       // [total_tokens]
  std::span<const int32_t> token_type_ids;  // [total_tokens]
  std::span<const int32_t> cu_seqlens;      // [batch_size + 1]

  int64_t total_tokens() const { return static_cast<int64_t>(input_ids.size()); }
  int64_t batch_size() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

}  // namespace fusebert
