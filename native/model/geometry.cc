// Bounds and divisibility of an encoder's geometry.
#include "model/geometry.h"

#include <cmath>
#include <string>

namespace fusebert {
namespace {

Status check_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return Status();
  return Status(StatusCode::kConfig, "Expected " + std::to_string(low) + " to " +
                                         std::to_string(high) + " for " + name +
                                         " but received " + std::to_string(value) + ".");
}

}  // namespace

Status validate(const Geometry& g) {
  FUSEBERT_RETURN_IF_ERROR(check_range("vocab_size", g.vocab_size, 1, kMaxVocabSize));
  FUSEBERT_RETURN_IF_ERROR(check_range("hidden_size", g.hidden_size, 1, kMaxHiddenSize));
  FUSEBERT_RETURN_IF_ERROR(check_range("num_hidden_layers", g.num_hidden_layers, 0, kMaxLayers));
  FUSEBERT_RETURN_IF_ERROR(
      check_range("num_attention_heads", g.num_attention_heads, 1, g.hidden_size));
  FUSEBERT_RETURN_IF_ERROR(
      check_range("intermediate_size", g.intermediate_size, 1, kMaxIntermediateSize));
  FUSEBERT_RETURN_IF_ERROR(
      check_range("max_position_embeddings", g.max_position_embeddings, 1, kMaxPositions));
  // One position at least is a token's.
  FUSEBERT_RETURN_IF_ERROR(check_range("padding_idx", g.padding_idx, kNoPaddingIdx,
                                       g.max_position_embeddings - 2));
  FUSEBERT_RETURN_IF_ERROR(check_range("type_vocab_size", g.type_vocab_size, 1, kMaxTypeVocabSize));
  if (g.hidden_size % g.num_attention_heads != 0) {
    return Status(StatusCode::kConfig,
                  "Expected num_attention_heads to divide hidden_size but received " +
                      std::to_string(g.num_attention_heads) + " and " +
                      std::to_string(g.hidden_size) + ".");
  }
  FUSEBERT_RETURN_IF_ERROR(check_range("head_dim", g.head_dim(), kMinHeadDim, kMaxHeadDim));
  if (!std::isfinite(g.layer_norm_eps) || g.layer_norm_eps < 0) {
    return Status(StatusCode::kConfig, "Expected a number ≥ 0 for layer_norm_eps.");
  }
  if (!g.head.has_value()) return Status();
  const int64_t least = g.head->tied ? g.vocab_size : 1;
  const int64_t most = g.head->tied ? g.vocab_size : kMaxVocabSize;
  return check_range("the head's outputs", g.head->outputs, least, most);
}

}  // namespace fusebert
