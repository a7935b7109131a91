// Mean or maximum over the rows of a sequence, and L2 normalisation, fp32, in plain loops.
#include <cmath>
#include <cstdint>

#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {

void reduce_rows(const float* rows, int64_t row_count, int64_t columns, int64_t stride,
                 Reduction reduction, float* out) {
  for (int64_t i = 0; i < columns; ++i) out[i] = rows[i];
  for (int64_t row = 1; row < row_count; ++row) {
    const float* next = rows + row * stride;
    for (int64_t i = 0; i < columns; ++i) {
      out[i] = reduction == Reduction::kMean ? out[i] + next[i] : std::fmax(out[i], next[i]);
    }
  }
  if (reduction == Reduction::kMax) return;
  for (int64_t i = 0; i < columns; ++i) out[i] /= static_cast<float>(row_count);
}

void l2_normalize(float* row, int64_t columns) {
  float squares = 0.0f;
  for (int64_t i = 0; i < columns; ++i) squares += row[i] * row[i];
  const float norm = std::fmax(std::sqrt(squares), kNormalizeEps);
  for (int64_t i = 0; i < columns; ++i) row[i] /= norm;
}

}  // namespace fusebert::cpu::scalar
