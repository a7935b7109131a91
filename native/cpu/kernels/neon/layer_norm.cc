// LayerNorm and embeddings for NEON; see kernels/vector/layer_norm.h.
#include "cpu/kernels/neon/operations.h"
#include "cpu/kernels/neon/vec.h"
// Vec comes first: the templates are written in its operations.
#include "cpu/kernels/vector/layer_norm.h"

namespace fusebert::cpu::neon {

void layer_norm(const LayerNormArguments& arguments, int64_t row_begin, int64_t row_end) {
  normalize_rows<Vec>(arguments, row_begin, row_end);
}

void embed(const EmbeddingArguments& arguments, int64_t row_begin, int64_t row_end) {
  embed_rows<Vec>(arguments, row_begin, row_end);
}

}  // namespace fusebert::cpu::neon
