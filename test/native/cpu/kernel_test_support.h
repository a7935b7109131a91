// What the kernel tests share: every table of kernels that runs here as a test parameter, seeded
// random numbers, and matrices with canaries.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/kernels/kernels.h"

namespace fusebert::cpu {

// Runs once for every available table.
class KernelTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels() const { return *GetParam(); }
  // The reference.
  const Kernels& scalar() const { return *available_kernels().back(); }
};

inline std::string isa_name(const ::testing::TestParamInfo<const Kernels*>& info) {
  return info.param->isa;
}

#define FUSEBERT_FOR_EVERY_ISA(suite) \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, ::testing::ValuesIn(available_kernels()), isa_name)

using Random = std::mt19937_64;

inline int64_t pick(Random& random, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(random);
}

inline std::vector<float> normal(Random& random, int64_t count, float deviation = 1.0f) {
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = distribution(random);
  return values;
}

// Bits no kernel produces: a NaN with a payload.
inline float canary() {
  const uint32_t bits = 0x7fc0ca4eu;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline bool is_canary(float value) {
  const float expected = canary();
  return std::memcmp(&value, &expected, sizeof value) == 0;
}

// [rows, columns] inside rows of `stride` floats, everything a canary at first.
struct TestMatrix {
  int64_t rows;
  int64_t columns;
  int64_t stride;
  std::vector<float> data;

  TestMatrix(int64_t row_count, int64_t column_count)
      : rows(row_count),
        columns(column_count),
        stride((column_count + 31) / 32 * 32 + 16),
        data(static_cast<size_t>(row_count * stride), canary()) {}

  float* row(int64_t r) { return data.data() + r * stride; }
  const float* row(int64_t r) const { return data.data() + r * stride; }

  void fill(Random& random, float deviation = 1.0f) {
    for (int64_t r = 0; r < rows; ++r) {
      const std::vector<float> values = normal(random, columns, deviation);
      std::memcpy(row(r), values.data(), values.size() * sizeof(float));
    }
  }
  bool row_equals(int64_t r, const TestMatrix& other, int64_t other_row) const {
    return std::memcmp(row(r), other.row(other_row),
                       static_cast<size_t>(columns) * sizeof(float)) == 0;
  }
};

inline ::testing::AssertionResult same_bits(const TestMatrix& a, const TestMatrix& b) {
  for (int64_t r = 0; r < a.rows; ++r) {
    if (!a.row_equals(r, b, r)) return ::testing::AssertionFailure() << "row " << r << " differs";
  }
  return ::testing::AssertionSuccess();
}

}  // namespace fusebert::cpu
