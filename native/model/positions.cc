// Positions as transformers' BertEmbeddings and RobertaEmbeddings have them.
#include "model/positions.h"

namespace fusebert {

void fill_positions(const Geometry& geometry, const PackedBatch& batch, int32_t* positions) {
  // Without an id for padding no token is padding, and the first position is 0.
  const auto padding = static_cast<int32_t>(geometry.padding_idx);
  for (size_t i = 0; i + 1 < batch.cu_seqlens.size(); ++i) {
    int32_t last = padding;
    for (int32_t token = batch.cu_seqlens[i]; token < batch.cu_seqlens[i + 1]; ++token) {
      const bool is_padding = batch.input_ids[static_cast<size_t>(token)] == padding;
      positions[token] = is_padding ? padding : ++last;
    }
  }
}

}  // namespace fusebert
