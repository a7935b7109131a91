// Mean or maximum over the rows of a sequence, and L2 normalisation of a row, fp32.
//
// One read of rows·columns floats. Limiter: memory. Rows are added one after another, lane by lane.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/vector/layer_norm.h"

namespace fusebert::cpu {
namespace {

template <class V>
inline void reduce(const float* rows, int64_t row_count, int64_t columns, int64_t stride,
                   Reduction reduction, float* out) {
  const V count = V::broadcast(static_cast<float>(row_count));
  for_each_vector<V>(columns, [&](int64_t i, int64_t lanes) {
    V x = load_lanes<V>(rows + i, lanes);
    for (int64_t row = 1; row < row_count; ++row) {
      const V next = load_lanes<V>(rows + row * stride + i, lanes);
      x = reduction == Reduction::kMean ? x + next : max(x, next);
    }
    store_lanes(reduction == Reduction::kMean ? x / count : x, out + i, lanes);
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
