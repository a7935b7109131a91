// out = (x - mean) / √(variance + eps) · gamma + beta over rows of `columns` floats, fp32, and the
// sum of three embeddings followed by the same.
//
// Three passes over a row: sum, sum of squared deviations, result. A row (3 KiB for 768 columns)
// stays in the L1, so memory traffic is one read and one write: 8·columns bytes, ~8·columns FLOP a
// row. Limiter: memory. Two passes for the variance, because E[x²] - E[x]² cancels.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu {
namespace {

// Calls f(offset, lanes) for every vector of a row; lanes < kWidth only for the last one.
template <class V, class Function>
inline void for_each_vector(int64_t columns, const Function& f) {
  int64_t i = 0;
  for (; i + V::kWidth <= columns; i += V::kWidth) f(i, V::kWidth);
  if (i < columns) f(i, columns - i);
}

template <class V>
inline V load_lanes(const float* p, int64_t lanes) {
  return lanes == V::kWidth ? V::load(p) : V::load_partial(p, lanes);
}

template <class V>
inline void store_lanes(V x, float* p, int64_t lanes) {
  if (lanes == V::kWidth) return x.store(p);
  x.store_partial(p, lanes);
}

template <class V>
inline void normalize_row(const LayerNormArguments& g, const float* in, float* out) {
  const float count = static_cast<float>(g.columns);
  V total = V::zero();
  for_each_vector<V>(
      g.columns, [&](int64_t i, int64_t lanes) { total = total + load_lanes<V>(in + i, lanes); });
  const V mean = V::broadcast(sum(total) / count);
  V squares = V::zero();
  for_each_vector<V>(g.columns, [&](int64_t i, int64_t lanes) {
    const V d = load_lanes<V>(in + i, lanes) - mean;
    const V deviation = lanes == V::kWidth ? d : d.first(lanes);
    squares = fma(deviation, deviation, squares);
  });
  const V variance = V::broadcast(sum(squares) / count + g.eps);
  const V inverse = V::broadcast(1.0f) / sqrt(variance);
  for_each_vector<V>(g.columns, [&](int64_t i, int64_t lanes) {
    const V x = (load_lanes<V>(in + i, lanes) - mean) * inverse;
    const V y = fma(x, load_lanes<V>(g.gamma + i, lanes), load_lanes<V>(g.beta + i, lanes));
    store_lanes(y, out + i, lanes);
  });
}

template <class V>
inline void normalize_rows(const LayerNormArguments& g, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    normalize_row<V>(g, g.in + row * g.in_stride, g.out + row * g.out_stride);
  }
}

template <class V>
inline void embed_rows(const EmbeddingArguments& g, int64_t row_begin, int64_t row_end) {
  const int64_t columns = g.norm.columns;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const float* word = g.words + g.input_ids[row] * columns;
    const float* type = g.types == nullptr ? nullptr : g.types + g.token_type_ids[row] * columns;
    const float* position = g.position_table + g.positions[row] * columns;
    float* out = g.norm.out + row * g.norm.out_stride;
    for_each_vector<V>(columns, [&](int64_t i, int64_t lanes) {
      V token = load_lanes<V>(word + i, lanes);
      if (type != nullptr) token = token + load_lanes<V>(type + i, lanes);
      store_lanes(token + load_lanes<V>(position + i, lanes), out + i, lanes);
    });
    normalize_row<V>(g.norm, out, out);
  }
}

}  // namespace
}  // namespace fusebert::cpu
