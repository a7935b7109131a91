// Pooling and L2 normalisation of every instruction set against double precision.
#include <algorithm>

#include "cpu/kernel_test_support.h"

namespace fusebert::cpu {
namespace {

class PoolingKernels : public KernelTest {};
FUSEBERT_FOR_EVERY_ISA(PoolingKernels);

TEST_P(PoolingKernels, SumsAndMaximumOverRows) {
  for (const int64_t columns : {1, 7, 16, 33, 100}) {
    for (const int64_t rows : {1, 2, 50}) {
      Random random(1);
      TestMatrix x(rows, columns);
      x.fill(random);
      constexpr int64_t kFirstWeight = 3;
      const float divisor = 1.5f * static_cast<float>(rows * rows);
      for (const Reduction reduction :
           {Reduction::kSum, Reduction::kWeightedSum, Reduction::kMax}) {
        std::vector<float> out(static_cast<size_t>(columns) + 1, canary());
        kernels().reduce_rows(
            {x.data.data(), rows, columns, x.stride, reduction, kFirstWeight, divisor},
            out.data());
        for (int64_t i = 0; i < columns; ++i) {
          double sum = 0, weighted = 0, most = -INFINITY;
          for (int64_t r = 0; r < rows; ++r) {
            const double value = x.row(r)[i];
            sum += value / divisor;
            weighted += static_cast<double>(kFirstWeight + r) * value / divisor;
            most = std::max(most, value);
          }
          const double want = reduction == Reduction::kSum           ? sum
                              : reduction == Reduction::kWeightedSum ? weighted
                                                                     : most;
          ASSERT_NEAR(out[static_cast<size_t>(i)], want, 1e-6);
        }
        EXPECT_TRUE(is_canary(out.back()));
      }
    }
  }
}

TEST_P(PoolingKernels, NormalizedRowsHaveLengthOne) {
  for (const int64_t columns : {1, 5, 8, 16, 40, 768}) {
    Random random(2);
    const std::vector<float> x = normal(random, columns);
    double squares = 0;
    for (const float value : x) squares += static_cast<double>(value) * value;
    std::vector<float> row = x;
    row.push_back(canary());
    kernels().l2_normalize(row.data(), columns);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(row[i], x[i] / std::sqrt(squares), 1e-6);
    EXPECT_TRUE(is_canary(row.back()));
  }
}

TEST_P(PoolingKernels, AZeroRowStaysZero) {
  std::vector<float> row(19, 0.0f);
  kernels().l2_normalize(row.data(), 19);
  for (const float value : row) EXPECT_EQ(value, 0.0f);
}

}  // namespace
}  // namespace fusebert::cpu
