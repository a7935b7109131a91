// The geometry of a BERT encoder: the numbers of config.json that decide shapes and arithmetic.
#pragma once

#include <cstdint>
#include <optional>

#include "core/status.h"
#include "model/head.h"

namespace fusebert {

enum class Activation {
  kGelu,      // x/2 · (1 + erf(x/√2)), transformers "gelu"
  // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), transformers "gelu_new", "gelu_fast" and
  // "gelu_pytorch_tanh"
  kGeluTanh,
  kQuickGelu,  // x · σ(1.702·x)
  kRelu,
  kSilu,  // x · σ(x), also called swish
};

inline constexpr int64_t kNoPaddingIdx = -1;

// Names are those of a Hugging Face config.json.
struct Geometry {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t intermediate_size = 0;
  int64_t max_position_embeddings = 0;
  int64_t type_vocab_size = 0;
  // ≥ 0: positions are RoBERTa's. A token's is padding_idx + how many tokens of its sequence up to
  // it are not padding, which is the id padding_idx; that of padding is padding_idx. kNoPaddingIdx:
  // a token's position is its index in its sequence.
  int64_t padding_idx = kNoPaddingIdx;
  float layer_norm_eps = 1e-12f;
  Activation hidden_act = Activation::kGelu;
  bool has_pooler = false;  // pooler.dense.{weight,bias} are in the checkpoint
  std::optional<Head> head;  // null: nothing stands on the encoder
  // false: embeddings.token_type_embeddings.weight is not there, and types are not looked at.
  bool has_token_types = true;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  // Tokens that there are positions for.
  int64_t max_sequence_length() const { return max_position_embeddings - (padding_idx + 1); }
};

// Bounds that keep every product of sizes far inside int64_t and refuse nonsense early.
inline constexpr int64_t kMaxVocabSize = int64_t{1} << 24;
inline constexpr int64_t kMaxHiddenSize = int64_t{1} << 14;
inline constexpr int64_t kMaxLayers = 256;
inline constexpr int64_t kMaxIntermediateSize = int64_t{1} << 16;
inline constexpr int64_t kMaxPositions = int64_t{1} << 16;
inline constexpr int64_t kMaxTypeVocabSize = 1024;
inline constexpr int64_t kMinHeadDim = 16;
inline constexpr int64_t kMaxHeadDim = 128;

// kConfig when a number is outside its bounds, heads do not divide hidden_size, head_dim is not in
// [16, 128], no position is left for a token, or a tied head's outputs are not the vocabulary.
Status validate(const Geometry& geometry);

}  // namespace fusebert
