// LayerNorm over rows, and the sum of three embeddings followed by it, fp32, in plain loops.
//
// Traffic: 8·columns bytes a row. Two passes for the variance, because E[x²] - E[x]² cancels.
#include <cmath>
#include <cstdint>

#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {
namespace {

void normalize_row(const LayerNormArguments& g, const float* in, float* out) {
  const float count = static_cast<float>(g.columns);
  float total = 0.0f;
  for (int64_t i = 0; i < g.columns; ++i) total += in[i];
  const float mean = total / count;
  float squares = 0.0f;
  for (int64_t i = 0; i < g.columns; ++i) squares += (in[i] - mean) * (in[i] - mean);
  const float inverse = 1.0f / std::sqrt(squares / count + g.eps);
  for (int64_t i = 0; i < g.columns; ++i) {
    out[i] = (in[i] - mean) * inverse * g.gamma[i] + g.beta[i];
  }
}

}  // namespace

void layer_norm(const LayerNormArguments& g, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    normalize_row(g, g.in + row * g.in_stride, g.out + row * g.out_stride);
  }
}

void embed(const EmbeddingArguments& g, int64_t row_begin, int64_t row_end) {
  const int64_t columns = g.norm.columns;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const float* word = g.words + g.input_ids[row] * columns;
    const float* type = g.types == nullptr ? nullptr : g.types + g.token_type_ids[row] * columns;
    const float* position = g.position_table + g.positions[row] * columns;
    float* out = g.norm.out + row * g.norm.out_stride;
    for (int64_t i = 0; i < columns; ++i) {
      out[i] = (type == nullptr ? word[i] : word[i] + type[i]) + position[i];
    }
    normalize_row(g.norm, out, out);
  }
}

}  // namespace fusebert::cpu::scalar
