// Sum or maximum over the rows of a sequence, and L2 normalisation of a row, fp32.
//
// One read of rows·columns floats. Limiter: memory. Rows are added one after another, lane by lane.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/vector/layer_norm.h"

namespace fusebert::cpu {
namespace {

template <class V>
inline void reduce(const ReduceArguments& g, float* out) {
  const V divisor = V::broadcast(g.divisor);
  const auto weight = [&g](int64_t row) {
    return V::broadcast(static_cast<float>(g.first_weight + row));
  };
  for_each_vector<V>(g.columns, [&](int64_t i, int64_t lanes) {
    V x = load_lanes<V>(g.rows + i, lanes);
    if (g.reduction == Reduction::kWeightedSum) x = x * weight(0);
    for (int64_t row = 1; row < g.row_count; ++row) {
      const V next = load_lanes<V>(g.rows + row * g.stride + i, lanes);
      x = g.reduction == Reduction::kSum           ? x + next
          : g.reduction == Reduction::kWeightedSum ? fma(next, weight(row), x)
                                                   : max(x, next);
    }
    store_lanes(g.reduction == Reduction::kMax ? x : x / divisor, out + i, lanes);
  });
}

template <class V>
inline void normalize_l2(float* row, int64_t columns) {
  V squares = V::zero();
  for_each_vector<V>(columns, [&](int64_t i, int64_t lanes) {
    const V x = load_lanes<V>(row + i, lanes);
    squares = fma(x, x, squares);
  });
  const V norm = max(sqrt(V::broadcast(sum(squares))), V::broadcast(kNormalizeEps));
  for_each_vector<V>(columns, [&](int64_t i, int64_t lanes) {
    store_lanes(load_lanes<V>(row + i, lanes) / norm, row + i, lanes);
  });
}

}  // namespace
}  // namespace fusebert::cpu
