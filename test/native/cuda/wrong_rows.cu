// The kernels of rows, each wrong in one thing on purpose: the checks that the right ones pass must
// fail for these (test/native/cuda/*_test.cc). They are the right ones' templates with a row that
// miscounts, or with parameters that are off by one.
#include "cuda/kernels/common/rows.h"

// The templates alone, without the right kernels that the files make of them.
#pragma push_macro("FUSEBERT_FOR_ROWS")
#undef FUSEBERT_FOR_ROWS
#define FUSEBERT_FOR_ROWS(DEFINE)
#include "cuda/kernels/embeddings/embeddings.cu"
#include "cuda/kernels/pooling/pooling.cu"
#pragma pop_macro("FUSEBERT_FOR_ROWS")

namespace fusebert::cuda {

// The variance of a sample, divided by one less than there are numbers.
struct OneLess;
template <int kChunks>
struct Row<OneLess, kChunks> : Row<Element, kChunks> {
  using Right = Row<Element, kChunks>;
  using Right::Right;
  __device__ float squares(float mean) {
    const auto columns = static_cast<float>(kRowChunk * this->chunks);
    return Right::squares(mean) * (columns / (columns - 1.0f));
  }
};

// The mask of the variance lets one chunk too many through, of zeros behind the row. A row that
// fills its lanes has none.
struct PastTheEnd;
template <int kChunks>
struct Row<PastTheEnd, kChunks> : Row<Element, kChunks> {
  using Right = Row<Element, kChunks>;
  using Right::Right;
  __device__ float squares(float mean) {
    this->chunks += 1;
    const float squares = Right::squares(mean);
    this->chunks -= 1;
    return squares;
  }
};

// The mean lacks the row's last chunk.
struct LastChunkDropped;
template <int kChunks>
struct Row<LastChunkDropped, kChunks> : Row<Element, kChunks> {
  using Right = Row<Element, kChunks>;
  using Right::Right;
  __device__ float sum() {
    float total = 0.0f;
    this->for_each_chunk([&](int chunk, float (&numbers)[kRowChunk]) {
      for (const float number : numbers) total += chunk + 1 < this->chunks ? number : 0.0f;
    });
    return warp_sum(total);
  }
};

// Each token takes what a table has for the next position, or for the next type. The tables need a
// row to spare.
template <int kChunks>
__device__ inline void embed_next(const EmbeddingParams& params, int positions, int types) {
  const int chunks = params.norm.columns / kRowChunk;
  EmbeddingParams wrong = params;
  wrong.positions = static_cast<const uint4*>(params.positions) + positions * chunks;
  wrong.types = static_cast<const uint4*>(params.types) + types * chunks;
  embed<Element, kChunks>(wrong);
}

// Sequences that begin and end this many tokens later, where there are tokens.
template <int kChunks>
__device__ inline void pool_shifted(const PoolingParams& params, int begin, int end) {
  constexpr int kAligned = 16;  // as the vectors in dynamic shared memory, which follows, must be
  __shared__ __align__(kAligned) int ends[kAligned / sizeof(int)];
  const int sequence = static_cast<int>(blockIdx.x);
  if (sequence >= *params.sequences) return;
  if (threadIdx.x == 0) {
    const int tokens = params.cu_seqlens[*params.sequences];
    ends[0] = min(params.cu_seqlens[sequence] + begin, tokens - 1);
    ends[1] = min(params.cu_seqlens[sequence + 1] + end, tokens);
  }
  __syncthreads();
  PoolingParams wrong = params;
  wrong.cu_seqlens = ends - sequence;
  pool<kChunks>(wrong);
}

// Parameters with one row less.
__device__ inline RowsParams one_row_less(const RowsParams& params) {
  __shared__ int rows;
  if (threadIdx.x == 0) rows = *params.rows - 1;
  __syncthreads();
  RowsParams wrong = params;
  wrong.rows = &rows;
  return wrong;
}

// Each row is the one behind that which was asked for; `in` needs a row to spare.
__device__ inline RowsParams next_row(const RowsParams& params) {
  RowsParams wrong = params;
  wrong.in = static_cast<const uint4*>(params.in) + params.columns / kRowChunk;
  return wrong;
}

#define FUSEBERT_WRONG(name, columns, Params, run)                                    \
  extern "C" __global__ void __launch_bounds__(kRowThreads, 1)                        \
      name##_##columns(const __grid_constant__ Params params) {                       \
    run;                                                                              \
  }
#define FUSEBERT_WRONG_NORM(columns, chunks, name, Wrong)                             \
  FUSEBERT_WRONG(layer_norm_##name, columns, LayerNormParams, (layer_norm<Wrong, chunks>(params)))
#define FUSEBERT_WRONG_EMBEDDINGS(columns, chunks, name, position, type)              \
  FUSEBERT_WRONG(embeddings_##name, columns, EmbeddingParams,                         \
                 embed_next<chunks>(params, position, type))
#define FUSEBERT_WRONG_POOL(columns, chunks, name, begin, end)                        \
  FUSEBERT_WRONG(pool_##name, columns, PoolingParams, pool_shifted<chunks>(params, begin, end))
#define FUSEBERT_WRONG_COPY(columns, chunks, name, wrong)                             \
  FUSEBERT_WRONG(copy_rows_##name, columns, RowsParams, copy_rows<chunks>(wrong(params)))
#define FUSEBERT_WRONG_GATHER(columns, chunks, name, wrong)                           \
  FUSEBERT_WRONG(gather_rows_##name, columns, RowsParams, gather_rows<chunks>(wrong(params)))

#define FUSEBERT_WRONG_ROWS(columns, chunks)                                          \
  FUSEBERT_WRONG_NORM(columns, chunks, one_less, OneLess)                             \
  FUSEBERT_WRONG_NORM(columns, chunks, past_the_end, PastTheEnd)                      \
  FUSEBERT_WRONG_NORM(columns, chunks, chunk_dropped, LastChunkDropped)               \
  FUSEBERT_WRONG_EMBEDDINGS(columns, chunks, next_position, 1, 0)                     \
  FUSEBERT_WRONG_EMBEDDINGS(columns, chunks, next_type, 0, 1)                         \
  FUSEBERT_WRONG_POOL(columns, chunks, without_last, 0, -1)                           \
  FUSEBERT_WRONG_POOL(columns, chunks, with_next, 0, 1)                               \
  FUSEBERT_WRONG_POOL(columns, chunks, second, 1, 0)                                  \
  FUSEBERT_WRONG_COPY(columns, chunks, too_few, one_row_less)                         \
  FUSEBERT_WRONG_COPY(columns, chunks, next, next_row)                                \
  FUSEBERT_WRONG_GATHER(columns, chunks, too_few, one_row_less)                       \
  FUSEBERT_WRONG_GATHER(columns, chunks, next, next_row)

// Enough lengths of rows for one, a few and many chunks of a lane.
FUSEBERT_WRONG_ROWS(256, 1)
FUSEBERT_WRONG_ROWS(512, 2)
FUSEBERT_WRONG_ROWS(1024, 4)

}  // namespace fusebert::cuda
