// Sum or maximum over the rows of a sequence, and L2 normalisation, fp32, in plain loops.
#include <cmath>
#include <cstdint>

#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {

void reduce_rows(const ReduceArguments& g, float* out) {
  const auto weight = [&g](int64_t row) {
    return g.reduction == Reduction::kWeightedSum ? static_cast<float>(g.first_weight + row) : 1.0f;
  };
  for (int64_t i = 0; i < g.columns; ++i) out[i] = g.rows[i] * weight(0);
  for (int64_t row = 1; row < g.row_count; ++row) {
    const float* next = g.rows + row * g.stride;
    for (int64_t i = 0; i < g.columns; ++i) {
      out[i] = g.reduction == Reduction::kMax ? std::fmax(out[i], next[i])
                                              : out[i] + next[i] * weight(row);
    }
  }
  if (g.reduction == Reduction::kMax) return;
  for (int64_t i = 0; i < g.columns; ++i) out[i] /= g.divisor;
}

void l2_normalize(float* row, int64_t columns) {
  float squares = 0.0f;
  for (int64_t i = 0; i < columns; ++i) squares += row[i] * row[i];
  const float norm = std::fmax(std::sqrt(squares), kNormalizeEps);
  for (int64_t i = 0; i < columns; ++i) row[i] /= norm;
}

}  // namespace fusebert::cpu::scalar
