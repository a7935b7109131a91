// The products of a block's tile: in [M, depth] · weightᵀ [depth, N], in steps of
// the tile's kDepth.
//
// Tiles of both factors pass through a ring of stages in shared memory, swizzled.
// Each warp takes its part of the tile from there as fragments for tensor cores. An element of the
// result is one chain of multiply-adds over depth in rising order, whatever the tile's size, so
// that no result depends on it.
//
// Global memory is read in 16-byte chunks, neighbouring threads those of a row: 2 (M + N) · kDepth
// bytes a step for 2 · M · N · kDepth FLOP. Shared memory: M + N rows written, and read once by
// every warp that needs them.
#pragma once

#include <cstdint>

#include "cuda/kernels/common/arch.cuh"
#include "cuda/kernels/gemm/gemm_params.h"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/ldmatrix.cuh"

namespace fusebert::cuda::gemm {

constexpr int kWarpSize = 32;
constexpr int kChunk = 8;  // elements in 16 bytes
constexpr int kMmaM = 16, kMmaN = 8, kMmaK = 16;

// A block's tile is kM x kN, a warp's kWarpM x kWarpN of it.
template <GemmTile kTile, int kArchitecture>
struct Tile {
  static constexpr GemmTileShape kShape = gemm_tile_shape(kTile, kArchitecture);
  static constexpr int kM = kShape.rows, kN = kShape.columns;
  static constexpr int kWarpM = kShape.warp_rows, kWarpN = kShape.warp_columns;
  static constexpr int kDepth = kShape.depth, kStages = kShape.stages, kBlocks = kShape.blocks;
  static constexpr int kChunks = kDepth / kChunk;  // of a row in a stage
  static constexpr int kWarpRows = kM / kWarpM;
  static constexpr int kThreads = kShape.threads();
  static constexpr int kStageElements = (kM + kN) * kDepth;
  static constexpr int kFragmentsM = kWarpM / kMmaM, kFragmentsN = kWarpN / kMmaN;
  static_assert(kM * kChunks % kThreads == 0 && kN * kChunks % kThreads == 0);
  static_assert(kFragmentsN % 2 == 0, "fragments of the weights are read in pairs");
  // The finished tile passes through the same memory.
  static_assert(kM * kN <= kStages * kStageElements);
};
template <GemmTile kTile>
using TileOf = Tile<kTile, kImageArchitecture>;

// Where this thread copies from and to: kRows rows of a matrix, of which `rows` exist, step by
// step.
template <class Tile, class Layout, int kRows>
class Side {
 public:
  static constexpr int kChunks = Tile::kChunks;
  static constexpr int kCopies = kRows * kChunks / Tile::kThreads;
  static constexpr int kRowStep = Tile::kThreads / kChunks;

  __device__ Side(const void* matrix, int stride, int first, int rows, int depth) {
    const int row = static_cast<int>(threadIdx.x) / kChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kChunks;
    position_ = Layout::template position<kChunks>(row, chunk);
    rows_left_ = rows - first - row;
    chunks_left_ = depth / kChunk - chunk;
    row_step_ = kRowStep * stride / kChunk;
    // Where this thread has nothing to copy, its address should still be one that exists.
    source_ = static_cast<const uint4*>(matrix) +
              static_cast<std::int64_t>(rows_left_ > 0 ? first + row : first) * stride / kChunk +
              (chunks_left_ > 0 ? chunk : 0);
  }

  // Begins to copy all rows of the next step to a stage.
  __device__ void copy(std::uint32_t stage) {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const bool zeros = outside(i);
      const uint4* from = zeros ? source_ : source(i);  // nothing is read for zeros
      ptx::cp_async_16(stage + 16 * position(i), from, zeros);
    }
    advance();
  }

  // The same through registers: first half, second half.
  __device__ void fetch(uint4 (&held)[kCopies]) {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      held[i] = outside(i) ? uint4{0, 0, 0, 0} : __ldg(source(i));
    }
    advance();
  }
  __device__ void put(const uint4 (&held)[kCopies], uint4* stage) const {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) stage[position(i)] = held[i];
  }

 private:
  __device__ bool outside(int i) const { return i * kRowStep >= rows_left_ || chunks_left_ <= 0; }
  __device__ const uint4* source(int i) const {
    return source_ + static_cast<std::int64_t>(i) * row_step_;
  }
  __device__ int position(int i) const {
    static_assert(kRowStep % 8 == 0, "rows that are eight apart are swizzled alike");
    return position_ + i * kRowStep * kChunks;
  }
  __device__ void advance() {
    chunks_left_ -= kChunks;
    if (chunks_left_ > 0) source_ += kChunks;
  }

  int position_;     // in a stage, of the first row
  int rows_left_;    // from the first row on
  int chunks_left_;  // of a row, from this thread's on
  int row_step_;     // chunks from a row that this thread copies to the next
  const uint4* source_;
};

// Stages filled by asynchronous copies, kStages - 1 of them ahead.
template <class Tile, class In, class Weight>
class AsyncPipeline {
 public:
  __device__ AsyncPipeline(In& in, Weight& weight, uint4* stages, int steps)
      : in_(in),
        weight_(weight),
        stages_(static_cast<std::uint32_t>(__cvta_generic_to_shared(stages))),
        steps_left_(steps) {
    for (int stage = 0; stage < Tile::kStages - 1; ++stage) begin();
  }

  // The shared-memory address of the next step's stage, once all of it is there.
  __device__ std::uint32_t acquire() {
    ptx::cp_async_wait_group<Tile::kStages - 2>();
    // Everyone's copies have arrived, and everyone has left the stage that is filled next.
    __syncthreads();
    begin();
    const std::uint32_t stage = stages_ + read_;
    read_ = after(read_);
    return stage;
  }
  __device__ void release() {}

 private:
  static constexpr std::uint32_t kStageBytes = Tile::kStageElements * 2;

  __device__ static std::uint32_t after(std::uint32_t stage) {
    return stage == (Tile::kStages - 1) * kStageBytes ? 0 : stage + kStageBytes;
  }
  __device__ void begin() {
    if (steps_left_ > 0) {
      in_.copy(stages_ + write_);
      weight_.copy(stages_ + write_ + Tile::kM * Tile::kDepth * 2);
      write_ = after(write_);
    }
    --steps_left_;
    ptx::cp_async_commit_group();  // an empty group keeps the count
  }

  In& in_;
  Weight& weight_;
  std::uint32_t stages_;
  std::uint32_t read_ = 0, write_ = 0;  // bytes from `stages_`
  int steps_left_;                      // to be begun
};

// Two stages filled through registers, where there are no asynchronous copies: a step's loads are
// on their way while the step before is multiplied.
template <class Tile, class In, class Weight>
class RegisterPipeline {
 public:
  __device__ RegisterPipeline(In& in, Weight& weight, uint4* stages, int steps)
      : in_(in), weight_(weight), stages_(stages), steps_left_(steps) {
    fetch();
    put(0);
    __syncthreads();
  }

  __device__ std::uint32_t acquire() {
    --steps_left_;
    if (steps_left_ > 0) fetch();
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(stage(current_)));
  }
  __device__ void release() {
    current_ ^= 1;
    if (steps_left_ > 0) put(current_);
    __syncthreads();
  }

 private:
  __device__ uint4* stage(int index) const {
    return stages_ + index * (Tile::kStageElements / kChunk);
  }
  __device__ void fetch() {
    in_.fetch(held_in_);
    weight_.fetch(held_weight_);
  }
  __device__ void put(int index) {
    in_.put(held_in_, stage(index));
    weight_.put(held_weight_, stage(index) + Tile::kM * Tile::kChunks);
  }

  In& in_;
  Weight& weight_;
  uint4* stages_;
  int steps_left_;  // to be acquired
  int current_ = 0;
  uint4 held_in_[In::kCopies];
  uint4 held_weight_[Weight::kCopies];
};

// The place of this warp's part in its block's tile.
template <class Tile>
struct WarpPlace {
  int lane, row, column;

  __device__ explicit WarpPlace(int thread)
      : lane(thread % kWarpSize),
        row(thread / kWarpSize % Tile::kWarpRows * Tile::kWarpM),
        column(thread / kWarpSize / Tile::kWarpRows * Tile::kWarpN) {}
};

template <class Tile>
using Sums = float[Tile::kFragmentsM][Tile::kFragmentsN][4];

// sums += a stage's products for this warp. Fragments as in ptx/mma.cuh; ldmatrix reads 16 rows by
// 16 columns at a time.
template <class T, class Tile, class Layout>
__device__ inline void multiply_stage(std::uint32_t stage, const WarpPlace<Tile>& place,
                                      Sums<Tile>& sums) {
  constexpr int kChunks = Tile::kChunks;
  const std::uint32_t weights = stage + Tile::kM * Tile::kDepth * 2;
  // Matrices in the order of a's registers: rows, rows + 8, then both 8 columns on. For b they are
  // the two halves of one fragment, then those of the next.
  const int a_row = place.row + place.lane % 16, a_chunk = place.lane / 16;
  const int b_row = place.column + place.lane % 8 + place.lane / 16 * 8;
  const int b_chunk = place.lane / 8 % 2;
  const std::uint32_t a_first = stage + 16 * Layout::template position<kChunks>(a_row, a_chunk);
  const std::uint32_t b_first = weights + 16 * Layout::template position<kChunks>(b_row, b_chunk);
#pragma unroll
  for (int slice = 0; slice < Tile::kDepth / kMmaK; ++slice) {
    std::uint32_t a[Tile::kFragmentsM][4], b[Tile::kFragmentsN / 2][4];
    // Fragments are 16 rows apart, which are swizzled alike.
    const std::uint32_t a_slice = Layout::after(a_first, 2 * slice);
    const std::uint32_t b_slice = Layout::after(b_first, 2 * slice);
#pragma unroll
    for (int i = 0; i < Tile::kFragmentsM; ++i) {
      ptx::ldmatrix_x4(a[i], a_slice + 16 * i * kMmaM * kChunks);
    }
#pragma unroll
    for (int j = 0; j < Tile::kFragmentsN / 2; ++j) {
      ptx::ldmatrix_x4(b[j], b_slice + 16 * j * 2 * kMmaN * kChunks);
    }
#pragma unroll
    for (int i = 0; i < Tile::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < Tile::kFragmentsN; ++j) {
        Arch::multiply<T>(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// All products of this warp's part of the tile at (first_row, first_column). Ends without a
// barrier: other warps may still read the stages.
template <class T, class Tile, class Layout>
__device__ inline void multiply_tile(const GemmParams& params, int rows, int first_row,
                                     int first_column, uint4* stages, Sums<Tile>& sums) {
  using In = Side<Tile, Layout, Tile::kM>;
  using Weight = Side<Tile, Layout, Tile::kN>;
  In in(params.in, params.in_stride, first_row, rows, params.depth);
  Weight weight(params.weight, params.weight_stride, first_column, params.columns, params.depth);
#pragma unroll
  for (auto& row : sums) {
#pragma unroll
    for (auto& fragment : row) {
#pragma unroll
      for (float& sum : fragment) sum = 0.0f;
    }
  }
  const int steps = (params.depth + Tile::kDepth - 1) / Tile::kDepth;
  const WarpPlace<Tile> place(static_cast<int>(threadIdx.x));
  using Pipeline = Arch::Pipeline<AsyncPipeline<Tile, In, Weight>,
                                  RegisterPipeline<Tile, In, Weight>>;
  Pipeline pipeline(in, weight, stages, steps);
  for (int step = 0; step < steps; ++step) {
    const std::uint32_t stage = pipeline.acquire();
    multiply_stage<T, Tile, Layout>(stage, place, sums);
    pipeline.release();
  }
}

}  // namespace fusebert::cuda::gemm
