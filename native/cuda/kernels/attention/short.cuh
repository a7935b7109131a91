// Attention for short sequences: a group of 2^kClass warps for each (sequence, head), whose scores
// are whole rows in registers.
#pragma once

#include "cuda/kernels/attention/attention.cuh"

namespace fusebert::cuda::attention {

// Weights of one row's exact softmax in place of its scores, not yet divided by their sum.
template <int kTiles>
__device__ inline void exponentials(float scale, float (&scores)[kTiles][4], float (&sums)[2]) {
  const float factor = scale * kLog2E;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = 0.0f;
    exponentiate(factor, largest(scores, half) * factor, half, scores, sum);
    sums[half] = row_sum(sum);
  }
}

// `pairs`: of this class; `block`: among its blocks.
template <class T, class Shape, class Layout, int kClass>
__device__ inline void attend_class(const AttentionParams& params, const AttentionItem* items,
                                    int pairs, int block, uint4* memory) {
  constexpr int kGroupWarps = 1 << kClass;
  constexpr int kGroupRows = kGroupWarps * kRows;
  constexpr int kGroups = Shape::kShortRows / kGroupRows;
  constexpr int kTiles = kGroupRows / kKeys;
  static_assert(kGroups >= 1);
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int group = warp / kGroupWarps;
  const int pair = block * kGroups + group;
  const bool exists = pair < pairs;
  const AttentionItem item = exists ? items[pair / params.heads] : AttentionItem{};
  const Work<Shape> work(params, item, exists ? pair % params.heads : 0);

  constexpr int kPanel = Shape::kShortRows * Shape::kChunks;  // all groups together
  uint4* own = memory + group * kGroupRows * Shape::kChunks;
  const Panel<Shape, Layout> queries{own}, keys{own + kPanel}, values{own + 2 * kPanel};
  if (exists) {
    const int thread = static_cast<int>(threadIdx.x) % (kGroupWarps * kWarpSize);
    constexpr int kThreads = kGroupWarps * kWarpSize;
    queries.copy(work.query, work.in_chunks, 0, kGroupRows, work.length, thread, kThreads);
    keys.copy(work.key, work.in_chunks, 0, kGroupRows, work.length, thread, kThreads);
    Arch::commit();
    values.copy(work.value, work.in_chunks, 0, kGroupRows, work.length, thread, kThreads);
    Arch::commit();
  }
  Arch::wait<1>();
  __syncthreads();
  const int first_query = warp % kGroupWarps * kRows;
  const bool works = exists && first_query < work.length;
  float scores[kTiles][4], sums[2];
  if (works) {
    Queries<Shape> fragments;
    load_queries(queries, first_query, fragments);
    multiply_keys<T>(fragments, keys, 0, scores);
    mask_keys(work.length, scores);
    exponentials(params.scale, scores, sums);
  }
  Arch::wait<0>();
  __syncthreads();
  if (!works) return;
  float context[Shape::kFragments][4] = {};
  multiply_values<T>(scores, values, 0, context);
  store_context<T>(work, first_query, queries, first_query, context, sums);
}

template <class T, class Shape, class Layout>
__device__ inline void attend_short(const AttentionParams& params) {
  extern __shared__ uint4 memory[];
  const AttentionPlan& plan = *params.plan;
  const int block = static_cast<int>(blockIdx.x);
  if (block >= plan.block_begin[kShortClasses]) return;
  int of_class = 0;
  while (block >= plan.block_begin[of_class + 1]) ++of_class;
  const AttentionItem* items = params.items + plan.item_begin[of_class];
  const int pairs = (plan.item_begin[of_class + 1] - plan.item_begin[of_class]) * params.heads;
  const int index = block - plan.block_begin[of_class];
  switch (of_class) {  // the same for all threads
    case 0: return attend_class<T, Shape, Layout, 0>(params, items, pairs, index, memory);
    case 1: return attend_class<T, Shape, Layout, 1>(params, items, pairs, index, memory);
    case 2: return attend_class<T, Shape, Layout, 2>(params, items, pairs, index, memory);
    default:
      if constexpr (Shape::kShortRows == kRows << 3) {
        attend_class<T, Shape, Layout, 3>(params, items, pairs, index, memory);
      }  // else the class is empty: its sequences are long ones
  }
}

}  // namespace fusebert::cuda::attention
