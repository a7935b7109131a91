// Ragged batches for the tests of backends, and what came of them.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "cpu/kernel_test_support.h"

namespace fusebert::cpu {

// A geometry of two layers with this hidden_size, heads and intermediate_size.
inline Geometry shaped(Geometry g, const int64_t (&shape)[3]) {
  g.hidden_size = shape[0];
  g.num_attention_heads = shape[1];
  g.intermediate_size = shape[2];
  g.num_hidden_layers = 2;
  g.has_pooler = g.num_attention_heads == 1;
  return g;
}

// A ragged batch and what it came to.
struct Batch {
  std::vector<int32_t> ids, types, cu_seqlens = {0};

  void add(const std::vector<int32_t>& sequence_ids, const std::vector<int32_t>& sequence_types) {
    ids.insert(ids.end(), sequence_ids.begin(), sequence_ids.end());
    types.insert(types.end(), sequence_types.begin(), sequence_types.end());
    cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
  }
  PackedBatch packed() const { return {ids, types, cu_seqlens}; }
  size_t size() const { return cu_seqlens.size() - 1; }
  size_t begin(size_t i) const { return static_cast<size_t>(cu_seqlens[i]); }
  std::vector<int32_t> ids_of(size_t i) const {
    return {ids.begin() + cu_seqlens[i], ids.begin() + cu_seqlens[i + 1]};
  }
  std::vector<int32_t> types_of(size_t i) const {
    return {types.begin() + cu_seqlens[i], types.begin() + cu_seqlens[i + 1]};
  }
};

inline Batch random_batch(Random& random, const Geometry& g, int64_t sequences) {
  Batch batch;
  for (int64_t i = 0; i < sequences; ++i) {
    // Half of them short, and now and then the longest.
    const int64_t longest = g.max_sequence_length();
    const int64_t most = pick(random, 0, 1) == 0 ? 8 : longest;
    const int64_t length = pick(random, 0, 9) == 0 ? longest : pick(random, 1, most);
    std::vector<int32_t> ids, types;
    for (int64_t t = 0; t < length; ++t) {
      ids.push_back(static_cast<int32_t>(pick(random, 0, g.vocab_size - 1)));
      types.push_back(static_cast<int32_t>(pick(random, 0, g.type_vocab_size - 1)));
    }
    batch.add(ids, types);
  }
  return batch;
}

struct Encoded {
  Status status;
  std::vector<float> hidden_states, pooled, pooler_output;
};

inline Encoded encode(Backend& backend, const Batch& batch, Poolings pooling = Pooling::kMean,
                      bool normalize = false, int32_t skip_tokens = 0) {
  const auto hidden = static_cast<size_t>(backend.geometry().hidden_size);
  Encoded result;
  // One more than needed, to see that nobody writes there.
  result.hidden_states.assign(batch.ids.size() * hidden + 1, canary());
  const auto poolings = static_cast<size_t>(pooling.count);
  result.pooled.assign(poolings * batch.size() * hidden + 1, canary());
  result.pooler_output.assign(batch.size() * hidden + 1, canary());
  EncodeOutput output;
  output.pooling = pooling;
  output.normalize = normalize;
  output.skip_tokens = skip_tokens;
  output.hidden_states = result.hidden_states.data();
  if (pooling.count > 0) output.pooled = result.pooled.data();
  if (backend.geometry().has_pooler) output.pooler_output = result.pooler_output.data();
  const std::atomic<bool> cancelled{false};
  result.status = backend.encode(batch.packed(), output, cancelled);
  EXPECT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_TRUE(is_canary(result.hidden_states.back()));
  EXPECT_TRUE(is_canary(result.pooled.back()));
  EXPECT_TRUE(is_canary(result.pooler_output.back()));
  return result;
}

}  // namespace fusebert::cpu
