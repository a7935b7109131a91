// Attention for long sequences: kAttentionLongRows queries a block, keys and values in steps
// through two stages of shared memory.
#pragma once

#include "cuda/kernels/attention/attention.cuh"

namespace fusebert::cuda::attention {

// What a warp knows of its rows so far: for each of the lane's two rows the largest scaled score,
// and the sum of 2^(score - largest) over this lane's keys.
template <class Shape>
struct Running {
  float context[Shape::kFragments][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};
};

// Turns a step's scores into weights relative to the new maximum, and rescales what there is.
template <class Shape, int kTiles>
__device__ inline void update(float factor, float (&scores)[kTiles][4], Running<Shape>& running) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    // A step has at least one key, so this is finite from the first on.
    const float maximum = fmaxf(running.maximum[half], largest(scores, half) * factor);
    const bool grows = maximum > running.maximum[half];
    const float rescale = ptx::ex2(running.maximum[half] - maximum);
    running.maximum[half] = maximum;
    running.sum[half] *= rescale;
    exponentiate(factor, maximum, half, scores, running.sum[half]);
    // The factor is mostly one: after a few steps the maximum seldom grows.
    if (!__any_sync(kAllLanes, grows)) continue;
#pragma unroll
    for (auto& fragment : running.context) {
      fragment[2 * half] *= rescale;
      fragment[2 * half + 1] *= rescale;
    }
  }
}

template <class T, class Shape, class Layout>
__device__ inline void attend_long(const AttentionParams& params) {
  extern __shared__ uint4 memory[];
  const int index = static_cast<int>(blockIdx.x);
  const int place = params.plan->item_begin[kLongClass] + index / params.heads;
  if (place >= params.plan->item_begin[kLongClass + 1]) return;
  constexpr int kStepKeys = Shape::kStepKeys;
  constexpr int kTiles = kStepKeys / kKeys;
  const Work<Shape> work(params, params.items[place], index % params.heads);
  constexpr int kStage = kStepKeys * Shape::kChunks;
  const Panel<Shape, Layout> queries{memory};
  uint4* stages = memory + kAttentionLongRows * Shape::kChunks;
  const auto keys = [&](int step) { return Panel<Shape, Layout>{stages + step % 2 * 2 * kStage}; };
  const auto values = [&](int step) {
    return Panel<Shape, Layout>{stages + (step % 2 * 2 + 1) * kStage};
  };
  const int thread = static_cast<int>(threadIdx.x);
  const auto begin = [&](int step) {
    const int first = step * kStepKeys;
    if (first < work.length) {
      keys(step).copy(work.key, work.in_chunks, first, kStepKeys, work.length, thread,
                      Shape::kLongThreads);
      values(step).copy(work.value, work.in_chunks, first, kStepKeys, work.length, thread,
                        Shape::kLongThreads);
    }
    Arch::commit();  // an empty group keeps the count
  };

  queries.copy(work.query, work.in_chunks, work.first_query, kAttentionLongRows, work.length,
               thread, Shape::kLongThreads);
  begin(0);
  begin(1);
  Arch::wait<1>();
  __syncthreads();
  const int warp = thread / kWarpSize;
  Queries<Shape> fragments;
  load_queries(queries, warp * kRows, fragments);
  Running<Shape> running;
  const float factor = params.scale * kLog2E;
  const int steps = (work.length + kStepKeys - 1) / kStepKeys;
  for (int step = 0; step < steps; ++step) {
    float scores[kTiles][4];
    multiply_keys<T>(fragments, keys(step), 0, scores);
    const int keys_left = work.length - step * kStepKeys;
    if (keys_left < kStepKeys) mask_keys(keys_left, scores);
    update(factor, scores, running);
    multiply_values<T>(scores, values(step), 0, running.context);
    __syncthreads();  // everyone has left the stage that is filled next
    begin(step + 2);
    Arch::wait<1>();
    __syncthreads();
  }
  const int first_query = work.first_query + warp * kRows;
  if (first_query >= work.length) return;
  const float sums[2] = {row_sum(running.sum[0]), row_sum(running.sum[1])};
  store_context<T>(work, first_query, queries, warp * kRows, running.context, sums);
}

}  // namespace fusebert::cuda::attention
