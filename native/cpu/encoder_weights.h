// The weights of an encoder in the layout of one table of kernels: matrices in panels, everything
// else as it is, all in one allocation.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/aligned_buffer.h"
#include "cpu/kernels/kernels.h"
#include "model/geometry.h"
#include "model/weights.h"

namespace fusebert::cpu {

// y = x · Wᵀ + b.
struct Linear {
  float* panels = nullptr;  // [panel_count][inputs][gemm_panel_width]
  float* bias = nullptr;    // [panel_count · gemm_panel_width], zeros past `outputs`
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t panel_count = 0;
};

struct LayerNorm {
  float* gamma = nullptr;  // [hidden_size]
  float* beta = nullptr;   // [hidden_size]
};

struct LayerWeights {
  Linear query_key_value;  // outputs: queries of all heads, then keys, then values
  Linear attention_output;
  LayerNorm attention_norm;
  Linear intermediate;
  Linear output;
  LayerNorm output_norm;
};

// Of model/head.h; inputs = 0 for what the head is without.
struct HeadWeights {
  Linear dense;
  LayerNorm norm;
  Linear output;  // with panels of its own even where it is the word embeddings
};

struct EncoderWeights {
  float* word_embeddings = nullptr;        // [vocab_size, hidden_size]
  float* position_embeddings = nullptr;    // [max_position_embeddings, hidden_size]
  float* token_type_embeddings = nullptr;  // [type_vocab_size, hidden_size]; null: none
  LayerNorm embedding_norm;
  std::vector<LayerWeights> layers;
  Linear pooler;  // inputs = 0 when the geometry has none
  HeadWeights head;

  AlignedBuffer memory;  // what all of the above points into

  int64_t bytes() const { return memory.size() * static_cast<int64_t>(sizeof(float)); }
};

// Copies and packs every tensor, on the pool's threads. Beside the result it needs one panel's rows
// a thread.
Result<EncoderWeights> load_encoder_weights(const Geometry& geometry, const WeightTable& table,
                                            const Kernels& kernels, ThreadPool& pool);

}  // namespace fusebert::cpu
