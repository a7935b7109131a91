// LayerNorm and embeddings of every instruction set against double precision.
#include "cpu/kernel_test_support.h"

namespace fusebert::cpu {
namespace {

constexpr float kEps = 1e-12f;

std::vector<double> normalized(const std::vector<double>& x, const std::vector<float>& gamma,
                               const std::vector<float>& beta, double eps) {
  double mean = 0, variance = 0;
  for (const double value : x) mean += value / static_cast<double>(x.size());
  for (const double value : x) {
    variance += (value - mean) * (value - mean) / static_cast<double>(x.size());
  }
  std::vector<double> y;
  for (size_t i = 0; i < x.size(); ++i) {
    y.push_back((x[i] - mean) / std::sqrt(variance + eps) * gamma[i] + beta[i]);
  }
  return y;
}

class LayerNormKernels : public KernelTest {};
FUSEBERT_FOR_EVERY_ISA(LayerNormKernels);

TEST_P(LayerNormKernels, AgreesWithDoublePrecision) {
  Random random(1);
  for (const int64_t columns : {1, 2, 7, 8, 15, 16, 17, 31, 64, 312, 384, 768, 1023}) {
    const int64_t rows = pick(random, 1, 5);
    TestMatrix in(rows, columns), out(rows, columns);
    in.fill(random);
    const std::vector<float> gamma = normal(random, columns), beta = normal(random, columns);
    const LayerNormArguments arguments = {
        in.data.data(), out.data.data(), gamma.data(), beta.data(),
        columns,        in.stride,       out.stride,   kEps};
    kernels().layer_norm(arguments, 0, rows);
    for (int64_t r = 0; r < rows; ++r) {
      const std::vector<double> x(in.row(r), in.row(r) + columns);
      const std::vector<double> want = normalized(x, gamma, beta, kEps);
      for (int64_t i = 0; i < columns; ++i) {
        ASSERT_NEAR(out.row(r)[i], want[static_cast<size_t>(i)], 1e-5) << columns << " columns";
      }
      for (int64_t i = columns; i < out.stride; ++i) ASSERT_TRUE(is_canary(out.row(r)[i]));
    }
  }
}

TEST_P(LayerNormKernels, SubtractsALargeMeanBeforeSquaring) {
  Random random(2);
  TestMatrix x(1, 100);
  x.fill(random, 1e-2f);
  for (int64_t i = 0; i < 100; ++i) x.row(0)[i] += 64.0f;
  const std::vector<double> exact(x.row(0), x.row(0) + 100);
  const std::vector<float> ones(100, 1.0f), zeros(100, 0.0f);
  const std::vector<double> want = normalized(exact, ones, zeros, kEps);
  const LayerNormArguments in_place = {x.data.data(), x.data.data(), ones.data(), zeros.data(),
                                       100,           x.stride,      x.stride,    kEps};
  kernels().layer_norm(in_place, 0, 1);
  for (int64_t i = 0; i < 100; ++i) {
    ASSERT_NEAR(x.row(0)[i], want[static_cast<size_t>(i)], 2e-3);
  }
}

TEST_P(LayerNormKernels, ARowOfEqualValuesGivesBeta) {
  const std::vector<float> x(20, 3.0f), gamma(20, 2.0f), beta(20, 0.5f);
  std::vector<float> out(20);
  const LayerNormArguments arguments = {x.data(), out.data(), gamma.data(), beta.data(),
                                        20,       20,         20,           kEps};
  kernels().layer_norm(arguments, 0, 1);
  for (const float value : out) EXPECT_EQ(value, 0.5f);
}

TEST_P(LayerNormKernels, EmbeddingsAreSummedThenNormalized) {
  for (const int64_t columns : {1, 20, 64, 100}) {
    Random random(3);
    const std::vector<float> words = normal(random, 11 * columns);
    const std::vector<float> types = normal(random, 2 * columns);
    const std::vector<float> positions = normal(random, 5 * columns);
    const std::vector<float> gamma = normal(random, columns), beta = normal(random, columns);
    const std::vector<int32_t> ids = {10, 0, 3, 10}, type_ids = {0, 1, 1, 0}, places = {0, 1, 4, 2};
    TestMatrix out(4, columns);
    EmbeddingArguments arguments = {};
    arguments.input_ids = ids.data();
    arguments.token_type_ids = type_ids.data();
    arguments.positions = places.data();
    arguments.words = words.data();
    arguments.types = types.data();
    arguments.position_table = positions.data();
    arguments.norm = {nullptr, out.data.data(), gamma.data(), beta.data(), columns,
                      0,       out.stride,      kEps};
    kernels().embed(arguments, 1, 4);
    EXPECT_TRUE(is_canary(out.row(0)[0]));
    for (size_t r = 1; r < 4; ++r) {
      std::vector<double> sum;
      for (int64_t i = 0; i < columns; ++i) {
        sum.push_back(static_cast<double>(words[static_cast<size_t>(ids[r] * columns + i)]) +
                      types[static_cast<size_t>(type_ids[r] * columns + i)] +
                      positions[static_cast<size_t>(places[r] * columns + i)]);
      }
      const std::vector<double> want = normalized(sum, gamma, beta, kEps);
      for (int64_t i = 0; i < columns; ++i) {
        ASSERT_NEAR(out.row(static_cast<int64_t>(r))[i], want[static_cast<size_t>(i)], 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace fusebert::cpu
