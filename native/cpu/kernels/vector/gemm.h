// C[m, n] = epilogue(A[m, k] · W[n, k]ᵀ + bias[n]), fp32.
//
// Layout: A is row-major with a stride that is an odd number of cache lines, so that the rows of a
//   tile do not fall into the same cache set. W is packed in panels [k][kPanelWidth], in the order
//   in which the innermost loop reads it.
// Work: 2·m·n·k FLOP. For each tile of up to kTileRows rows and one panel, k steps of kTileRows
//   broadcasts and kTileVectors loads for kTileRows·kTileVectors multiply-adds.
// Limiter: the multiply-add units. Blocks of k keep a panel (≤ kMaxBlockK·kPanelWidth floats,
//   96 KiB for 32 columns) and a block of A's rows in the L2, from which both stream at a few bytes
//   a cycle. The next panel is prefetched while this one is used, spread over its tiles, so that
//   weights come from memory at an even pace; with few rows they are what limits. Residuals are
//   prefetched too.
//
// An element of C is one chain of multiply-adds over k, starting at zero, whatever the tile's
// height: between blocks of k it waits in C, which loses nothing. Then epilogue(chain + bias).
#pragma once

#include <cstdint>

#include "core/cache_line.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/vector/vector_math.h"

namespace fusebert::cpu {
namespace {

inline constexpr int64_t kMaxBlockK = 768;
// Residuals come from memory while the two panels before theirs are multiplied; asked for with
// their own tile, or the one before it, they come late.
inline constexpr int64_t kResidualPanelsAhead = 2;

template <class V>
inline constexpr int64_t kPanelWidth = V::kWidth* V::kTileVectors;

// What a tile needs, beside its height.
struct TileArguments {
  const float* a;         // [rows, k], rows a_stride apart
  const float* panel;     // [k][kPanelWidth]
  const float* prefetch;  // to be brought into the L2, prefetch_bytes further every step of k
  float* c;               // [rows, kPanelWidth], rows c_stride apart
  int64_t k;
  int64_t a_stride;
  int64_t c_stride;
  int64_t prefetch_bytes;
  bool accumulate;  // start from c instead of zero
};

template <class V, int kRows>
__attribute__((noinline)) void gemm_tile(const TileArguments& t) {
  constexpr int kVectors = V::kTileVectors;
  // Three rows share a pointer: x86 addresses base, base + 4·stride and base + 8·stride directly.
  constexpr int kGroups = (kRows + 2) / 3;
  const int64_t stride = t.a_stride;
  V acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      acc[r][j] = t.accumulate ? V::load(t.c + r * t.c_stride + j * V::kWidth) : V::zero();
    }
  }
  // The rows of C have fallen out of the near caches; by the time the sums are done they are back.
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      __builtin_prefetch(t.c + r * t.c_stride + j * V::kWidth, 1, 3);
    }
  }
  const float* a[kGroups];
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) a[g] = t.a + 3 * g * stride;
  const float* b = t.panel;
  const char* prefetch = reinterpret_cast<const char*>(t.prefetch);
  const int64_t prefetch_bytes = t.prefetch_bytes;
#pragma GCC unroll 2
  for (int64_t i = 0; i < t.k; ++i) {
    V w[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) w[j] = V::load(b + j * V::kWidth);
    __builtin_prefetch(prefetch, 0, 2);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const V x = V::broadcast(a[r / 3][(r % 3) * stride]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) acc[r][j] = fma(x, w[j], acc[r][j]);
    }
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) ++a[g];
    b += kPanelWidth<V>;
    prefetch += prefetch_bytes;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) acc[r][j].store(t.c + r * t.c_stride + j * V::kWidth);
  }
}

// Rows in as few tiles as hold them, whose heights differ by one at most. A multiply-add waits for
// the one before it in its chain, and only several chains keep the units busy: on AVX2, where a row
// is two chains, about eight, so that a tile of one row takes as long as one of four. So 8 rows are
// 4 and 4, not 6 and 2.
template <int64_t kTileRows>
class RowTiles {
 public:
  // rows ≥ 1
  explicit constexpr RowTiles(int64_t rows)
      : count_((rows + kTileRows - 1) / kTileRows),
        least_height_(rows / count_),
        taller_(rows % count_) {}

  constexpr int64_t count() const { return count_; }
  constexpr int64_t height(int64_t tile) const { return least_height_ + (tile < taller_ ? 1 : 0); }
  // The tile's first row.
  constexpr int64_t begin(int64_t tile) const {
    return tile * least_height_ + (tile < taller_ ? tile : taller_);
  }

 private:
  int64_t count_;
  int64_t least_height_;
  int64_t taller_;  // so many tiles, the first ones, have a row more
};

static_assert(RowTiles<6>(8).count() == 2);
static_assert(RowTiles<6>(8).height(0) == 4 && RowTiles<6>(8).height(1) == 4);
static_assert(RowTiles<6>(13).height(0) == 5 && RowTiles<6>(13).begin(2) == 9);

// gemm_tile of the height that only run time knows, 1 ≤ rows ≤ kTileRows.
template <class V, int kRows = V::kTileRows>
inline void run_tile(int64_t rows, const TileArguments& t) {
  if constexpr (kRows == 1) {
    gemm_tile<V, 1>(t);
  } else {
    if (rows == kRows) return gemm_tile<V, kRows>(t);
    run_tile<V, kRows - 1>(rows, t);
  }
}

// c[rows, kPanelWidth] = function(c + bias, row, vector index).
template <class V, class Function>
inline void update_tile(int64_t rows, float* c, int64_t c_stride, const float* bias,
                        const Function& function) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int j = 0; j < V::kTileVectors; ++j) {
      float* p = c + r * c_stride + j * V::kWidth;
      function(V::load(p) + V::load(bias + j * V::kWidth), r, j).store(p);
    }
  }
}

template <class V>
inline void apply_epilogue(const GemmArguments& g, int64_t row, int64_t rows, int64_t column) {
  float* c = g.c + row * g.c_stride + column;
  const float* bias = g.bias + column;
  switch (g.epilogue) {
    case Epilogue::kNone:
      return update_tile<V>(rows, c, g.c_stride, bias, [](V x, int64_t, int) { return x; });
    case Epilogue::kGelu:
      return update_tile<V>(rows, c, g.c_stride, bias, [](V x, int64_t, int) { return gelu(x); });
    case Epilogue::kGeluTanh:
      return update_tile<V>(rows, c, g.c_stride, bias,
                            [](V x, int64_t, int) { return gelu_tanh(x); });
    case Epilogue::kQuickGelu:
      return update_tile<V>(rows, c, g.c_stride, bias, [](V x, int64_t, int) {
        return sigmoid_product(x, kQuickGeluFactor);
      });
    case Epilogue::kSilu:
      return update_tile<V>(rows, c, g.c_stride, bias,
                            [](V x, int64_t, int) { return sigmoid_product(x, 1.0f); });
    case Epilogue::kRelu:
      return update_tile<V>(rows, c, g.c_stride, bias,
                            [](V x, int64_t, int) { return max(x, V::zero()); });
    case Epilogue::kTanh:
      return update_tile<V>(rows, c, g.c_stride, bias, [](V x, int64_t, int) { return tanh(x); });
    case Epilogue::kResidual: {
      const float* residual = g.residual + row * g.residual_stride + column;
      const int64_t stride = g.residual_stride;
      return update_tile<V>(rows, c, g.c_stride, bias, [residual, stride](V x, int64_t r, int j) {
        return x + V::load(residual + r * stride + j * V::kWidth);
      });
    }
  }
}

// Brings so many floats into the L2. They may lie behind the end of what is there.
inline void prefetch_floats(const float* floats, int64_t count) {
  for (int64_t i = 0; i < count; i += kCacheLineFloats) __builtin_prefetch(floats + i, 0, 2);
}

template <class V>
inline void gemm_range(const GemmArguments& g, const GemmRange& range) {
  constexpr int64_t kFloatBytes = sizeof(float);
  const int64_t k_blocks = (g.k + kMaxBlockK - 1) / kMaxBlockK;
  const int64_t block_k = (g.k + k_blocks - 1) / k_blocks;
  const RowTiles<V::kTileRows> tiles(range.row_end - range.row_begin);
  for (int64_t k_begin = 0; k_begin < g.k; k_begin += block_k) {
    const int64_t k = g.k - k_begin < block_k ? g.k - k_begin : block_k;
    const bool last = k_begin + k == g.k;
    for (int64_t panel = range.panel_begin; panel < range.panel_end; ++panel) {
      TileArguments t;
      t.panel = g.panels + (panel * g.k + k_begin) * kPanelWidth<V>;
      // The next panel of this block of k, then the first of the next block; after the last, what
      // lies behind, which as a rule is the panel that this thread gets next.
      const float* next = t.panel + k * kPanelWidth<V>;
      if (panel + 1 < range.panel_end) {
        next = t.panel + g.k * kPanelWidth<V>;
      } else if (!last) {
        next = g.panels + (range.panel_begin * g.k + k_begin + k) * kPanelWidth<V>;
      }
      t.k = k;
      t.a_stride = g.a_stride;
      t.c_stride = g.c_stride;
      // Rounded up: the tiles together bring all of it, and a little of what follows.
      t.prefetch_bytes = (kPanelWidth<V> * kFloatBytes + tiles.count() - 1) / tiles.count();
      t.accumulate = k_begin > 0;
      for (int64_t tile = 0; tile < tiles.count(); ++tile) {
        const int64_t row = range.row_begin + tiles.begin(tile);
        const int64_t rows = tiles.height(tile);
        t.a = g.a + row * g.a_stride + k_begin;
        t.c = g.c + row * g.c_stride + panel * kPanelWidth<V>;
        t.prefetch = next + tile * t.prefetch_bytes * k / kFloatBytes;
        if (last && g.epilogue == Epilogue::kResidual) {
          const int64_t column = (panel + kResidualPanelsAhead) * kPanelWidth<V>;
          for (int64_t r = row; r < row + rows; ++r) {
            prefetch_floats(g.residual + r * g.residual_stride + column, kPanelWidth<V>);
          }
        }
        run_tile<V>(rows, t);
        if (last) apply_epilogue<V>(g, row, rows, panel * kPanelWidth<V>);
      }
    }
  }
}

// rows[width, k], row_stride apart, as a panel [k][kPanelWidth]; columns from `width` on are zero.
template <class V>
inline void pack_rows(const float* rows, int64_t row_stride, int64_t width, int64_t k,
                      float* panel) {
  // A cache line's worth of every row at a time.
  constexpr int64_t kBlock = 16;
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t end = begin + kBlock < k ? begin + kBlock : k;
    for (int64_t r = 0; r < width; ++r) {
      for (int64_t i = begin; i < end; ++i)
        panel[i * kPanelWidth<V> + r] = rows[r * row_stride + i];
    }
    for (int64_t r = width; r < kPanelWidth<V>; ++r) {
      for (int64_t i = begin; i < end; ++i) panel[i * kPanelWidth<V> + r] = 0.0f;
    }
  }
}

}  // namespace
}  // namespace fusebert::cpu
