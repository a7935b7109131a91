// context = softmax(Q·Kᵀ/√head_dim)·V for one head of one sequence, fp32.
//
// Q, K, V: [S, head_dim], columns of one row-major matrix; context: columns of another.
// Work: 4·S²·head_dim FLOP and S² exponentials. K is packed into panels of keys [head_dim][width]
//   and V into panels of columns [S][width], so that both products run in the register tile of the
//   matrix product. Query rows go through in blocks whose scores stay in the L2; nothing of S × S
//   exists. Softmax subtracts the row's maximum; the division by the sum happens to the context.
// Limiter: multiply-add units for long sequences; for short ones packing, softmax, and the memory
//   that a head's rows come from, unless they are prefetched during the head before.
// Scratch: 2·S·head_dim (padded to panels) + scores + one block of context.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/vector/gemm.h"
#include "cpu/kernels/vector/vector_math.h"

namespace fusebert::cpu {
namespace {

// Query rows of a block, at most: 8 of the tallest register tile.
inline constexpr int64_t kMaxBlockTiles = 8;
inline constexpr int64_t kMaxAttentionRows = kMaxBlockTiles * 12;

// Where the parts of the scratch lie. Everything is a multiple of 16 floats (a cache line).
struct AttentionPlan {
  int64_t key_panels;
  int64_t value_panels;
  int64_t block_rows;
  int64_t score_stride;
  int64_t keys_floats;
  int64_t values_floats;
  int64_t scores_floats;
  int64_t context_floats;
};

template <class V>
inline AttentionPlan plan_attention(int64_t sequence_length, int64_t head_dim) {
  // Scores of a block: 128 KiB of an L2 that also holds the panels.
  constexpr int64_t kScoreFloats = 32 * 1024;
  static_assert(kMaxBlockTiles * V::kTileRows <= kMaxAttentionRows);
  AttentionPlan plan;
  plan.key_panels = (sequence_length + kPanelWidth<V> - 1) / kPanelWidth<V>;
  plan.value_panels = (head_dim + kPanelWidth<V> - 1) / kPanelWidth<V>;
  // An odd number of cache lines: see gemm.h.
  plan.score_stride = (plan.key_panels * kPanelWidth<V> + 31) / 32 * 32 + 16;
  int64_t tiles = kScoreFloats / (plan.score_stride * V::kTileRows);
  tiles = tiles < 1 ? 1 : tiles > kMaxBlockTiles ? kMaxBlockTiles : tiles;
  plan.block_rows = tiles * V::kTileRows;
  plan.keys_floats = (plan.key_panels * head_dim * kPanelWidth<V> + 15) / 16 * 16;
  plan.values_floats = (plan.value_panels * sequence_length * kPanelWidth<V> + 15) / 16 * 16;
  plan.scores_floats = plan.block_rows * plan.score_stride;
  plan.context_floats = plan.block_rows * plan.value_panels * kPanelWidth<V>;
  return plan;
}

template <class V>
inline int64_t attention_scratch(int64_t sequence_length, int64_t head_dim) {
  const AttentionPlan plan = plan_attention<V>(sequence_length, head_dim);
  return plan.keys_floats + plan.values_floats + plan.scores_floats + plan.context_floats;
}

// values[S, head_dim], row_stride apart, as panels [value_panels][S][kPanelWidth] padded with 0.
template <class V>
inline void pack_values(const float* values, int64_t row_stride, int64_t sequence_length,
                        int64_t head_dim, float* panels) {
  for (int64_t column = 0; column < head_dim; column += V::kWidth) {
    const int64_t panel = column / kPanelWidth<V>;
    float* out = panels + panel * sequence_length * kPanelWidth<V> + column % kPanelWidth<V>;
    const int64_t lanes = head_dim - column < V::kWidth ? head_dim - column : V::kWidth;
    for (int64_t s = 0; s < sequence_length; ++s) {
      V::load_partial(values + s * row_stride + column, lanes).store(out + s * kPanelWidth<V>);
    }
  }
  // Vectors of the last panel that are wholly past head_dim.
  const int64_t written = (head_dim + V::kWidth - 1) / V::kWidth * V::kWidth;
  for (int64_t column = written; column % kPanelWidth<V> != 0; column += V::kWidth) {
    const int64_t panel = column / kPanelWidth<V>;
    float* out = panels + panel * sequence_length * kPanelWidth<V> + column % kPanelWidth<V>;
    for (int64_t s = 0; s < sequence_length; ++s) V::zero().store(out + s * kPanelWidth<V>);
  }
}

// scores[count] = 2^(scale·(scores - max)); returns their sum.
template <class V>
inline float exponentials(float* scores, int64_t count, float scale) {
  const int64_t whole = count / V::kWidth * V::kWidth;
  const int64_t rest = count - whole;
  float top = scores[0];
  if (whole > 0) {
    V most = V::load(scores);
    for (int64_t i = V::kWidth; i < whole; i += V::kWidth) most = max(most, V::load(scores + i));
    top = maximum(most);
  }
  for (int64_t i = whole; i < count; ++i) top = scores[i] > top ? scores[i] : top;
  const V shift = V::broadcast(top);
  const V factor = V::broadcast(scale);
  V total = V::zero();
  for (int64_t i = 0; i < whole; i += V::kWidth) {
    const V e = exp2((V::load(scores + i) - shift) * factor);
    e.store(scores + i);
    total = total + e;
  }
  if (rest > 0) {
    const V e = exp2((V::load_partial(scores + whole, rest) - shift) * factor).first(rest);
    e.store_partial(scores + whole, rest);
    total = total + e;
  }
  return sum(total);
}

// The queries, keys and values of the head behind this one, a few cache lines in each row of a
// large matrix, where no processor sees them coming. They are asked for row by row, between tiles.
class NextHead {
 public:
  // `wanted`: whether who computes this head goes on with the next, if there is one.
  NextHead(const AttentionArguments& g, int64_t head, bool wanted)
      : g_(g), columns_(g.qkv + (head + 1) * g.head_dim) {
    const int64_t bytes = 3 * g.sequence_length * g.head_dim * static_cast<int64_t>(sizeof(float));
    const bool is_last = (head + 1) * g.head_dim == g.hidden_size;
    if (wanted && !is_last && bytes <= kMaxBytes) left_ = g.sequence_length;
  }

  void prefetch_row() {
    if (left_ == 0) return;
    --left_;
    const float* row = columns_ + left_ * g_.qkv_stride;
    for (int part = 0; part < 3; ++part) {
      prefetch_floats(row + part * g_.hidden_size, g_.head_dim);
    }
  }

 private:
  // A part of the L2: longer sequences would drive out what this head works on.
  static constexpr int64_t kMaxBytes = 160 << 10;

  const AttentionArguments& g_;
  const float* const columns_;
  int64_t left_ = 0;  // rows
};

// c[rows of the tiles, kPanelWidth] = a[rows of the tiles, k] · panel, a tile at a time.
template <class V>
inline void multiply_panel(const float* a, int64_t a_stride, const RowTiles<V::kTileRows>& tiles,
                           const float* panel, int64_t k, float* c, int64_t c_stride,
                           NextHead& next) {
  TileArguments t;
  t.panel = panel;
  t.prefetch = panel;  // nothing to prefetch: the panels were just written
  t.prefetch_bytes = 0;
  t.k = k;
  t.a_stride = a_stride;
  t.c_stride = c_stride;
  t.accumulate = false;
  for (int64_t tile = 0; tile < tiles.count(); ++tile) {
    t.a = a + tiles.begin(tile) * a_stride;
    t.c = c + tiles.begin(tile) * c_stride;
    next.prefetch_row();
    run_tile<V>(tiles.height(tile), t);
  }
}

template <class V>
inline void store_scaled(const float* in, int64_t count, float factor, float* out) {
  const V scale = V::broadcast(factor);
  int64_t i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) (V::load(in + i) * scale).store(out + i);
  if (i < count) (V::load_partial(in + i, count - i) * scale).store_partial(out + i, count - i);
}

template <class V>
inline void attend(const AttentionArguments& g, int64_t head, int64_t row_begin, int64_t row_end,
                   float* scratch) {
  const AttentionPlan plan = plan_attention<V>(g.sequence_length, g.head_dim);
  float* keys = scratch;
  float* values = keys + plan.keys_floats;
  float* scores = values + plan.values_floats;
  float* context = scores + plan.scores_floats;
  const int64_t context_stride = plan.value_panels * kPanelWidth<V>;
  const float* query = g.qkv + head * g.head_dim;
  const float* key = query + g.hidden_size;
  const float* value = key + g.hidden_size;
  // e^(x/√d) = 2^(x·log2(e)/√d): one multiplication for both.
  constexpr float kLog2E = 1.44269502f;
  const float root = sum(sqrt(V::broadcast(static_cast<float>(g.head_dim)).first(1)));
  const float scale = kLog2E / root;

  for (int64_t p = 0; p < plan.key_panels; ++p) {
    const int64_t first = p * kPanelWidth<V>;
    const int64_t left = g.sequence_length - first;
    pack_rows<V>(key + first * g.qkv_stride, g.qkv_stride,
                 left < kPanelWidth<V> ? left : kPanelWidth<V>, g.head_dim,
                 keys + first * g.head_dim);
  }
  pack_values<V>(value, g.qkv_stride, g.sequence_length, g.head_dim, values);

  NextHead next(g, head, row_end == g.sequence_length);
  for (int64_t row = row_begin; row < row_end; row += plan.block_rows) {
    const int64_t rows = row_end - row < plan.block_rows ? row_end - row : plan.block_rows;
    const RowTiles<V::kTileRows> tiles(rows);
    for (int64_t p = 0; p < plan.key_panels; ++p) {
      multiply_panel<V>(query + row * g.qkv_stride, g.qkv_stride, tiles,
                        keys + p * kPanelWidth<V> * g.head_dim, g.head_dim,
                        scores + p * kPanelWidth<V>, plan.score_stride, next);
    }
    float inverse_sums[kMaxAttentionRows];
    for (int64_t r = 0; r < rows; ++r) {
      inverse_sums[r] =
          1.0f / exponentials<V>(scores + r * plan.score_stride, g.sequence_length, scale);
    }
    for (int64_t p = 0; p < plan.value_panels; ++p) {
      multiply_panel<V>(scores, plan.score_stride, tiles,
                        values + p * kPanelWidth<V> * g.sequence_length, g.sequence_length,
                        context + p * kPanelWidth<V>, context_stride, next);
    }
    for (int64_t r = 0; r < rows; ++r) {
      store_scaled<V>(context + r * context_stride, g.head_dim, inverse_sums[r],
                      g.context + (row + r) * g.context_stride + head * g.head_dim);
    }
  }
}

}  // namespace
}  // namespace fusebert::cpu
