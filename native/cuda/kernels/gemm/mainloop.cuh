// The products of a block's tile: in [M, depth] · weightᵀ [depth, N], in steps of kDepth.
//
// Tiles of both factors pass through a ring of stages in shared memory, rows of 64 bytes, swizzled.
// Each warp takes its part of the tile from there as fragments for tensor cores. An element of the
// result is one chain of multiply-adds over depth in rising order, whatever the tile's size, so
// that no result depends on it.
//
// Global memory is read in 16-byte chunks, four neighbouring threads a row: (M + N) · 64 bytes a
// step for 2 · M · N · 32 FLOP. Shared memory: M + N rows written, and read once by every warp that
// needs them.
#pragma once

#include <cstdint>

#include "cuda/kernels/common/arch.cuh"
#include "cuda/kernels/gemm/gemm_params.h"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/ldmatrix.cuh"

namespace fusebert::cuda::gemm {

constexpr int kWarpSize = 32;
constexpr int kDepth = kGemmStageDepth;
constexpr int kChunk = 8;                     // elements in 16 bytes
constexpr int kChunks = kDepth / kChunk;      // of a row in a stage
constexpr int kMmaM = 16, kMmaN = 8, kMmaK = 16;

// A block's tile is kM x kN, a warp's kWarpM x kWarpN of it.
template <int kM_, int kN_, int kWarpM_, int kWarpN_, int kStages_>
struct Tile {
  static constexpr int kM = kM_, kN = kN_, kWarpM = kWarpM_, kWarpN = kWarpN_, kStages = kStages_;
  static constexpr int kWarpRows = kM / kWarpM;
  static constexpr int kWarps = kWarpRows * (kN / kWarpN);
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kStageElements = (kM + kN) * kDepth;
  static constexpr int kFragmentsM = kWarpM / kMmaM, kFragmentsN = kWarpN / kMmaN;
  static_assert(kM * kChunks % kThreads == 0 && kN * kChunks % kThreads == 0);
  static_assert(kFragmentsN % 2 == 0, "fragments of the weights are read in pairs");
};

// Where this thread copies from and to: kRows rows of a matrix, of which `rows` exist.
template <class Tile, class Layout, int kRows>
class Side {
 public:
  static constexpr int kCopies = kRows * kChunks / Tile::kThreads;
  static constexpr int kRowStep = Tile::kThreads / kChunks;

  __device__ Side(const void* matrix, int stride, int first, int rows, int depth)
      : chunk_(static_cast<int>(threadIdx.x) % kChunks),
        row_(static_cast<int>(threadIdx.x) / kChunks),
        left_(rows - first - row_),
        depth_(depth),
        stride_(stride),
        matrix_(static_cast<const uint4*>(matrix)),
        offset_((static_cast<std::int64_t>(first + row_) * stride) / kChunk + chunk_) {}

  // Begins to copy all rows of a step to a stage.
  __device__ void copy(int step, std::uint32_t stage) const {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const bool zeros = outside(step, i);
      // Nothing is read for zeros, but the address should be one that exists.
      const uint4* from = zeros ? matrix_ : source(step, i);
      ptx::cp_async_16(stage + 16 * position(i), from, zeros);
    }
  }

  // The same through registers: first half, second half.
  __device__ void fetch(int step, uint4 (&held)[kCopies]) const {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      held[i] = outside(step, i) ? uint4{0, 0, 0, 0} : __ldg(source(step, i));
    }
  }
  __device__ void put(const uint4 (&held)[kCopies], uint4* stage) const {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) stage[position(i)] = held[i];
  }

 private:
  __device__ bool outside(int step, int i) const {
    return i * kRowStep >= left_ || step * kDepth + chunk_ * kChunk >= depth_;
  }
  __device__ const uint4* source(int step, int i) const {
    return matrix_ + offset_ + static_cast<std::int64_t>(i) * kRowStep * (stride_ / kChunk) +
           step * kChunks;
  }
  __device__ int position(int i) const {
    return Layout::template position<kChunks>(row_ + i * kRowStep, chunk_);
  }

  int chunk_, row_, left_, depth_, stride_;
  const uint4* matrix_;
  std::int64_t offset_;
};

// Stages filled by asynchronous copies, kStages - 1 of them ahead.
template <class Tile, class In, class Weight>
class AsyncPipeline {
 public:
  __device__ AsyncPipeline(const In& in, const Weight& weight, uint4* stages, int steps)
      : in_(in),
        weight_(weight),
        stages_(static_cast<std::uint32_t>(__cvta_generic_to_shared(stages))),
        steps_(steps) {
    for (int step = 0; step < Tile::kStages - 1; ++step) begin(step);
  }

  // The shared-memory address of a step's stage, once all of it is there.
  __device__ std::uint32_t acquire(int step) {
    ptx::cp_async_wait_group<Tile::kStages - 2>();
    // Everyone's copies have arrived, and everyone has left the stage that is filled next.
    __syncthreads();
    begin(step + Tile::kStages - 1);
    return stage(step);
  }
  __device__ void release(int) {}

 private:
  __device__ std::uint32_t stage(int step) const {
    return stages_ + static_cast<std::uint32_t>(step % Tile::kStages * Tile::kStageElements * 2);
  }
  __device__ void begin(int step) {
    if (step < steps_) {
      in_.copy(step, stage(step));
      weight_.copy(step, stage(step) + Tile::kM * kDepth * 2);
    }
    ptx::cp_async_commit_group();  // an empty group keeps the count
  }

  const In& in_;
  const Weight& weight_;
  std::uint32_t stages_;
  int steps_;
};

// Two stages filled through registers, where there are no asynchronous copies: a step's loads are
// on their way while the step before is multiplied.
template <class Tile, class In, class Weight>
class RegisterPipeline {
 public:
  __device__ RegisterPipeline(const In& in, const Weight& weight, uint4* stages, int steps)
      : in_(in), weight_(weight), stages_(stages), steps_(steps) {
    fetch(0);
    put(0);
    __syncthreads();
  }

  __device__ std::uint32_t acquire(int step) {
    if (step + 1 < steps_) fetch(step + 1);
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(stage(step)));
  }
  __device__ void release(int step) {
    if (step + 1 < steps_) put(step + 1);
    __syncthreads();
  }

 private:
  __device__ uint4* stage(int step) const {
    return stages_ + step % 2 * (Tile::kStageElements / kChunk);
  }
  __device__ void fetch(int step) {
    in_.fetch(step, held_in_);
    weight_.fetch(step, held_weight_);
  }
  __device__ void put(int step) {
    in_.put(held_in_, stage(step));
    weight_.put(held_weight_, stage(step) + Tile::kM * kChunks);
  }

  const In& in_;
  const Weight& weight_;
  uint4* stages_;
  int steps_;
  uint4 held_in_[In::kCopies];
  uint4 held_weight_[Weight::kCopies];
};

// The place of this warp's part in its block's tile.
template <class Tile>
struct WarpPlace {
  int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int row = static_cast<int>(threadIdx.x) / kWarpSize % Tile::kWarpRows * Tile::kWarpM;
  int column = static_cast<int>(threadIdx.x) / kWarpSize / Tile::kWarpRows * Tile::kWarpN;
};

template <class Tile>
using Sums = float[Tile::kFragmentsM][Tile::kFragmentsN][4];

// sums += a stage's products for this warp. Fragments as in ptx/mma.cuh; ldmatrix reads 16 rows by
// 16 columns at a time.
template <class T, class Tile, class Layout>
__device__ inline void multiply_stage(std::uint32_t stage, const WarpPlace<Tile>& place,
                                      Sums<Tile>& sums) {
  const std::uint32_t weights = stage + Tile::kM * kDepth * 2;
  // Matrices in the order of a's registers: rows, rows + 8, then both 8 columns on. For b they are
  // the two halves of one fragment, then those of the next.
  const int a_row = place.row + place.lane % 16, a_chunk = place.lane / 16;
  const int b_row = place.column + place.lane % 8 + place.lane / 16 * 8;
  const int b_chunk = place.lane / 8 % 2;
#pragma unroll
  for (int slice = 0; slice < kDepth / kMmaK; ++slice) {
    std::uint32_t a[Tile::kFragmentsM][4], b[Tile::kFragmentsN / 2][4];
#pragma unroll
    for (int i = 0; i < Tile::kFragmentsM; ++i) {
      ptx::ldmatrix_x4(a[i], stage + 16 * Layout::template position<kChunks>(
                                             a_row + i * kMmaM, 2 * slice + a_chunk));
    }
#pragma unroll
    for (int j = 0; j < Tile::kFragmentsN / 2; ++j) {
      ptx::ldmatrix_x4(b[j], weights + 16 * Layout::template position<kChunks>(
                                                b_row + j * 2 * kMmaN, 2 * slice + b_chunk));
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
  const In in(params.in, params.in_stride, first_row, rows, params.depth);
  const Weight weight(params.weight, params.weight_stride, first_column, params.columns,
                      params.depth);
#pragma unroll
  for (auto& row : sums) {
#pragma unroll
    for (auto& fragment : row) {
#pragma unroll
      for (float& sum : fragment) sum = 0.0f;
    }
  }
  const int steps = (params.depth + kDepth - 1) / kDepth;
  const WarpPlace<Tile> place;
  using Pipeline = Arch::Pipeline<AsyncPipeline<Tile, In, Weight>,
                                  RegisterPipeline<Tile, In, Weight>>;
  Pipeline pipeline(in, weight, stages, steps);
  for (int step = 0; step < steps; ++step) {
    const std::uint32_t stage = pipeline.acquire(step);
    multiply_stage<T, Tile, Layout>(stage, place, sums);
    pipeline.release(step);
  }
}

}  // namespace fusebert::cuda::gemm
