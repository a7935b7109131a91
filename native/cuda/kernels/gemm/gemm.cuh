// out [rows, columns] = activation(in [rows, depth] · weightᵀ + bias) + residual, on tensor cores.
//
// One block a tile; blocks take tiles row by row of tiles: those that run together share the rows
// of `in`, which come from memory once, while all weights stay in L2. The mainloop leaves fp32 sums
// in registers (mainloop.cuh). They are finished there in fp32, and pass as 16-bit numbers through
// shared memory to be written in whole rows of 16-byte chunks; the residual comes in the same way.
// FLOP: 2 · rows · columns · depth. Bytes: at least 2 (rows · depth + columns · depth + rows ·
// columns). Limiter: tensor cores for many rows, the weights' bytes for few.
#pragma once

#include "cuda/kernels/common/activation.cuh"
#include "cuda/kernels/common/numbers.cuh"
#include "cuda/kernels/gemm/mainloop.cuh"

namespace fusebert::cuda::gemm {

// The place of this warp's part, computed when it is asked for: kept from the mainloop on, it would
// cost registers there.
template <class Tile>
__device__ inline WarpPlace<Tile> place_after_mainloop() {
  int thread = static_cast<int>(threadIdx.x);
  asm volatile("" : "+r"(thread));
  return WarpPlace<Tile>(thread);
}

// calls use(row, column, low, high) for this thread's pairs of neighbouring sums; columns are even.
template <class Tile, class Use>
__device__ inline void for_each_pair(Sums<Tile>& sums, const Use& use) {
  const auto place = place_after_mainloop<Tile>();
#pragma unroll
  for (int i = 0; i < Tile::kFragmentsM; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kFragmentsN; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        use(place.row + i * kMmaM + half * 8 + place.lane / 4,
            place.column + j * kMmaN + place.lane % 4 * 2, sums[i][j][2 * half],
            sums[i][j][2 * half + 1]);
      }
    }
  }
}

template <class Activation, class Tile>
__device__ inline void activate(Sums<Tile>& sums) {
  for_each_pair<Tile>(sums, [](int, int, float& low, float& high) {
    low = Activation::apply(low);
    high = Activation::apply(high);
  });
}

template <class Tile>
__device__ inline void activate(GemmActivation activation, Sums<Tile>& sums) {
  switch (activation) {  // the same for all threads
    case GemmActivation::kNone: break;
    case GemmActivation::kGelu: activate<Gelu, Tile>(sums); break;
    case GemmActivation::kGeluTanh: activate<GeluTanh, Tile>(sums); break;
    case GemmActivation::kQuickGelu: activate<QuickGelu, Tile>(sums); break;
    case GemmActivation::kSilu: activate<Silu, Tile>(sums); break;
    case GemmActivation::kRelu: activate<Relu, Tile>(sums); break;
    case GemmActivation::kTanh: activate<Tanh, Tile>(sums); break;
  }
}

template <class Tile>
__device__ inline void add_bias(const GemmParams& params, int first_column, Sums<Tile>& sums) {
  const auto place = place_after_mainloop<Tile>();
#pragma unroll
  for (int j = 0; j < Tile::kFragmentsN; ++j) {
    const int column = first_column + place.column + j * kMmaN + place.lane % 4 * 2;
    if (column >= params.columns) continue;
    const float2 bias = __ldg(reinterpret_cast<const float2*>(params.bias + column));
#pragma unroll
    for (int i = 0; i < Tile::kFragmentsM; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        sums[i][j][2 * half] += bias.x;
        sums[i][j][2 * half + 1] += bias.y;
      }
    }
  }
}

// A tile of 16-bit numbers on its way between fragments and rows of global memory.
template <class T, class Tile, class Layout>
class Staging {
 public:
  static constexpr int kRowChunks = Tile::kN / kChunk;

  __device__ explicit Staging(uint4* memory) : memory_(memory) {}

  // A pair of columns that one thread holds.
  __device__ std::uint32_t& pair(int row, int column) const {
    const int chunk = Layout::template position<kRowChunks>(row, column / kChunk);
    return reinterpret_cast<std::uint32_t*>(memory_ + chunk)[column % kChunk / 2];
  }

  // calls use(chunk of shared memory, chunk's offset in the matrix) for those inside the matrix.
  template <class Use>
  __device__ void for_each_chunk(int first_row, int rows, int first_column, int columns,
                                 int stride, const Use& use) const {
    for (int i = static_cast<int>(threadIdx.x); i < Tile::kM * kRowChunks; i += Tile::kThreads) {
      const int row = i / kRowChunks, chunk = i % kRowChunks;
      const int matrix_row = first_row + row, column = first_column + chunk * kChunk;
      if (matrix_row >= rows || column >= columns) continue;
      use(memory_[Layout::template position<kRowChunks>(row, chunk)],
          (static_cast<std::int64_t>(matrix_row) * stride + column) / kChunk);
    }
  }

 private:
  uint4* memory_;
};

template <class T, class Tile, class Layout>
__device__ inline void gemm(const GemmParams& params) {
  extern __shared__ __align__(128) uint4 memory[];
  const int rows = *params.rows;
  const int column_tiles = (params.columns + Tile::kN - 1) / Tile::kN;
  const int tile = static_cast<int>(blockIdx.x);
  const int first_row = tile / column_tiles * Tile::kM;
  if (first_row >= rows) return;
  const int first_column = tile % column_tiles * Tile::kN;

  Sums<Tile> sums;
  multiply_tile<T, Tile, Layout>(params, rows, first_row, first_column, memory, sums);
  add_bias<Tile>(params, first_column, sums);
  activate<Tile>(params.activation, sums);

  const Staging<T, Tile, Layout> staging(memory);
  __syncthreads();  // the stages are free
  const bool has_residual = params.residual != nullptr;
  if (has_residual) {
    const auto* residual = static_cast<const uint4*>(params.residual);
    staging.for_each_chunk(first_row, rows, first_column, params.columns, params.out_stride,
                           [&](uint4& chunk, std::int64_t offset) { chunk = residual[offset]; });
    __syncthreads();
  }
  for_each_pair<Tile>(sums, [&](int row, int column, float low, float high) {
    std::uint32_t& pair = staging.pair(row, column);
    const float2 added = has_residual ? unpack<T>(pair) : float2{0.0f, 0.0f};
    pair = pack<T>(low + added.x, high + added.y);
  });
  __syncthreads();
  auto* out = static_cast<uint4*>(params.out);
  staging.for_each_chunk(first_row, rows, first_column, params.columns, params.out_stride,
                         [&](uint4& chunk, std::int64_t offset) { out[offset] = chunk; });
}

}  // namespace fusebert::cuda::gemm
