// Embeddings and their LayerNorm in one: out[row] = LayerNorm(words[id] + positions[position] +
// types[type]), as transformers' BertEmbeddings.
//
// A warp a token. Bytes: 6 · columns read, 2 · columns written a token; positions and types stay in
// caches. Limiter: memory. The sum stays in fp32, so that it is rounded once.
#include "cuda/kernels/common/element.cuh"
#include "cuda/kernels/layer_norm/layer_norm.cuh"

namespace fusebert::cuda {

template <class T, int kChunks>
__device__ inline void embed(const EmbeddingParams& params) {
  const int row = layer_norm_row();
  if (row >= *params.norm.rows) return;
  Row<T, kChunks> x(params.norm.columns);
  const auto entry = [&](const void* table, std::int32_t index) {
    return static_cast<const uint4*>(table) + static_cast<std::int64_t>(index) * x.chunks;
  };
  x.load(entry(params.words, params.ids[row]));
  x.add(entry(params.positions, params.position_ids[row]));
  if (params.types != nullptr) x.add(entry(params.types, params.type_ids[row]));
  normalize(params.norm, row, x);
}

#define FUSEBERT_EMBEDDINGS(columns, chunks)                                          \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      embeddings_##columns(const __grid_constant__ EmbeddingParams params) {          \
    embed<Element, chunks>(params);                                                   \
  }

FUSEBERT_FOR_ROWS(FUSEBERT_EMBEDDINGS)

}  // namespace fusebert::cuda
