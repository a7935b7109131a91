// context = softmax(Q·Kᵀ/√head_dim)·V for one head of one sequence, fp32, in plain loops.
//
// Scratch: one row of scores. Work: 4·S²·head_dim FLOP. Limiter: arithmetic.
#include <cmath>
#include <cstdint>

#include "core/cache_line.h"
#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {

int64_t attention_scratch_floats(int64_t sequence_length, int64_t) {
  return (sequence_length + kCacheLineFloats - 1) / kCacheLineFloats * kCacheLineFloats;
}

void attention(const AttentionArguments& g, int64_t head, int64_t row_begin, int64_t row_end,
               float* scratch) {
  const float* query = g.qkv + head * g.head_dim;
  const float* key = query + g.hidden_size;
  const float* value = key + g.hidden_size;
  const float scale = 1.0f / std::sqrt(static_cast<float>(g.head_dim));
  for (int64_t row = row_begin; row < row_end; ++row) {
    const float* q = query + row * g.qkv_stride;
    float top = -INFINITY;
    for (int64_t s = 0; s < g.sequence_length; ++s) {
      float dot = 0.0f;
      for (int64_t i = 0; i < g.head_dim; ++i) dot += q[i] * key[s * g.qkv_stride + i];
      scratch[s] = dot;
      top = dot > top ? dot : top;
    }
    float total = 0.0f;
    for (int64_t s = 0; s < g.sequence_length; ++s) {
      scratch[s] = std::exp((scratch[s] - top) * scale);
      total += scratch[s];
    }
    float* out = g.context + row * g.context_stride + head * g.head_dim;
    for (int64_t i = 0; i < g.head_dim; ++i) out[i] = 0.0f;
    for (int64_t s = 0; s < g.sequence_length; ++s) {
      for (int64_t i = 0; i < g.head_dim; ++i) out[i] += scratch[s] * value[s * g.qkv_stride + i];
    }
    for (int64_t i = 0; i < g.head_dim; ++i) out[i] /= total;
  }
}

}  // namespace fusebert::cpu::scalar
