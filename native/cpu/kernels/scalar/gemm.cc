// C[m, n] = epilogue(A[m, k] · W[n, k]ᵀ + bias[n]), fp32, in plain loops.
//
// Layout: W in panels [k][kPanelWidth]. Work: 2·m·n·k FLOP. Limiter: arithmetic, without FMA.
// An element is one chain of multiplications and additions over k, whatever the tile's height.
#include <cmath>
#include <cstdint>

#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {
namespace {

float apply(Epilogue epilogue, float x, float residual) {
  constexpr float kSqrtHalf = 0.70710678f;
  constexpr float kSqrt2OverPi = 0.797884561f;
  switch (epilogue) {
    case Epilogue::kNone:
      return x;
    case Epilogue::kGelu:
      return 0.5f * x * (1.0f + std::erf(x * kSqrtHalf));
    case Epilogue::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(kSqrt2OverPi * (x + 0.044715f * x * x * x)));
    case Epilogue::kQuickGelu:
      return x / (1.0f + std::exp(-kQuickGeluFactor * x));
    case Epilogue::kSilu:
      return x / (1.0f + std::exp(-x));
    case Epilogue::kRelu:
      return x > 0.0f ? x : 0.0f;
    case Epilogue::kTanh:
      return std::tanh(x);
    case Epilogue::kResidual:
      return x + residual;
  }
  return x;
}

// sums[kTileRows][kPanelWidth] = a[rows, k] · panel[k, kPanelWidth]; rows past `rows` are zero.
template <int64_t kRows>
void multiply(const float* a, int64_t a_stride, const float* panel, int64_t k,
              float (*sums)[kPanelWidth]) {
  float acc[kRows][kPanelWidth] = {};
  for (int64_t i = 0; i < k; ++i) {
    const float* w = panel + i * kPanelWidth;
    for (int64_t r = 0; r < kRows; ++r) {
      const float x = a[r * a_stride + i];
      for (int64_t j = 0; j < kPanelWidth; ++j) acc[r][j] += x * w[j];
    }
  }
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t j = 0; j < kPanelWidth; ++j) sums[r][j] = acc[r][j];
  }
}

void store_row(const GemmArguments& g, int64_t row, int64_t panel, const float* sums) {
  const int64_t column = panel * kPanelWidth;
  float* c = g.c + row * g.c_stride + column;
  for (int64_t j = 0; j < kPanelWidth; ++j) {
    const float residual =
        g.epilogue == Epilogue::kResidual ? g.residual[row * g.residual_stride + column + j] : 0.0f;
    c[j] = apply(g.epilogue, sums[j] + g.bias[column + j], residual);
  }
}

}  // namespace

void pack_panel(const float* rows, int64_t width, int64_t k, float* panel) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < kPanelWidth; ++j) {
      panel[i * kPanelWidth + j] = j < width ? rows[j * k + i] : 0.0f;
    }
  }
}

void gemm(const GemmArguments& g, const GemmRange& range) {
  float sums[kTileRows][kPanelWidth];
  for (int64_t panel = range.panel_begin; panel < range.panel_end; ++panel) {
    const float* w = g.panels + panel * g.k * kPanelWidth;
    for (int64_t row = range.row_begin; row < range.row_end;) {
      const float* a = g.a + row * g.a_stride;
      const int64_t rows = range.row_end - row >= kTileRows ? kTileRows : 1;
      if (rows == kTileRows) {
        multiply<kTileRows>(a, g.a_stride, w, g.k, sums);
      } else {
        multiply<1>(a, g.a_stride, w, g.k, sums);
      }
      for (int64_t r = 0; r < rows; ++r) store_row(g, row + r, panel, sums[r]);
      row += rows;
    }
  }
}

}  // namespace fusebert::cpu::scalar
