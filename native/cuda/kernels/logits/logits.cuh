// out [rows, outputs] = in [rows, depth] · weightᵀ + bias, on tensor cores, in fp32: the last layer
// of a head, whose outputs may be two or a vocabulary.
//
// The GEMM's mainloop (gemm/mainloop.cuh), a block a tile, tiles row by row of tiles. What differs
// is the end: sums are not rounded to 16 bits, so that logits are ordered as they are and softmax
// loses nothing, and go from registers to memory at once. `outputs` is of any parity, so rows begin
// at any multiple of 4 bytes: a thread writes its two neighbouring numbers one by one, four threads
// 32 bytes of a row, that meet in L2. FLOP: 2 · rows · outputs · depth. Bytes: 2 (rows · depth +
// outputs · depth) + 4 · rows · outputs. Limiter: the weights' bytes for few rows, then those of
// the logits, which for a vocabulary outweigh all else.
#pragma once

#include "cuda/kernels/gemm/gemm.cuh"
#include "cuda/kernels/logits/logits_params.h"

namespace fusebert::cuda::logits {

template <class T, class Tile, class Layout>
__device__ inline void logits(const LogitsParams& params) {
  extern __shared__ __align__(128) uint4 memory[];
  const GemmParams& product = params.product;
  const int rows = *product.rows;
  const int column_tiles = (product.columns + Tile::kN - 1) / Tile::kN;
  const int tile = static_cast<int>(blockIdx.x);
  const int first_row = tile / column_tiles * Tile::kM;
  if (first_row >= rows) return;
  const int first_column = tile % column_tiles * Tile::kN;

  gemm::Sums<Tile> sums;
  gemm::multiply_tile<T, Tile, Layout>(product, rows, first_row, first_column, memory, sums);
  gemm::add_bias<Tile>(product, first_column, sums);

  bool finite = true;
  gemm::for_each_pair<Tile>(sums, [&](int tile_row, int tile_column, float low, float high) {
    const int row = first_row + tile_row, column = first_column + tile_column;
    if (row >= rows || column >= params.outputs) return;
    float* out = params.out + static_cast<std::int64_t>(row) * params.outputs + column;
    out[0] = low;
    finite = finite && isfinite(low);
    if (column + 1 == params.outputs) return;
    out[1] = high;
    finite = finite && isfinite(high);
  });
  if (!finite) atomicMin(params.overflow, params.place);
}

}  // namespace fusebert::cuda::logits
