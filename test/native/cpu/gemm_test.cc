// The matrix product of every instruction set against double precision and the scalar table, and
// the promise that a row's bits do not depend on what is computed beside it.
#include "cpu/kernel_test_support.h"

namespace fusebert::cpu {
namespace {

constexpr Epilogue kEpilogues[] = {Epilogue::kNone,      Epilogue::kGelu, Epilogue::kGeluTanh,
                                   Epilogue::kQuickGelu, Epilogue::kRelu, Epilogue::kSilu,
                                   Epilogue::kTanh,      Epilogue::kResidual};

double apply(Epilogue epilogue, double x, double residual) {
  switch (epilogue) {
    case Epilogue::kNone:
      return x;
    case Epilogue::kGelu:
      return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Epilogue::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case Epilogue::kQuickGelu:
      return x / (1.0 + std::exp(-1.702 * x));
    case Epilogue::kSilu:
      return x / (1.0 + std::exp(-x));
    case Epilogue::kRelu:
      return x > 0 ? x : 0;
    case Epilogue::kTanh:
      return std::tanh(x);
    case Epilogue::kResidual:
      return x + residual;
  }
  return x;
}

// One product, packed for one table.
struct Product {
  const Kernels& kernels;
  int64_t m, n, k;
  TestMatrix a, residual, c;
  std::vector<float> weight;  // [n, k]
  std::vector<float> panels;
  std::vector<float> bias;  // [n, padded]

  Product(const Kernels& table, int64_t rows, int64_t columns, int64_t depth, uint64_t seed)
      : kernels(table), m(rows), n(columns), k(depth), a(m, k), residual(m, n), c(m, n) {
    Random random(seed);
    a.fill(random);
    residual.fill(random);
    weight = normal(random, n * k, 1.0f / std::sqrt(static_cast<float>(k)));
    const int64_t width = kernels.gemm_panel_width;
    bias = normal(random, n);
    bias.resize(static_cast<size_t>(panel_count() * width), 0.0f);
    panels.assign(static_cast<size_t>(panel_count() * k * width), canary());
    for (int64_t p = 0; p < panel_count(); ++p) {
      kernels.pack_panel(weight.data() + p * width * k, std::min(width, n - p * width), k,
                         panels.data() + p * width * k);
    }
  }

  int64_t panel_count() const {
    return (n + kernels.gemm_panel_width - 1) / kernels.gemm_panel_width;
  }
  void run(Epilogue epilogue, const GemmRange& range, TestMatrix& out) const {
    const GemmArguments arguments = {a.data.data(),   panels.data(),
                                     bias.data(),     residual.data.data(),
                                     out.data.data(), k,
                                     a.stride,        residual.stride,
                                     out.stride,      epilogue};
    kernels.gemm(arguments, range);
  }
  void run(Epilogue epilogue) { run(epilogue, {0, m, 0, panel_count()}, c); }
};

void expect_close(const Product& product, Epilogue epilogue) {
  for (int64_t r = 0; r < product.m; ++r) {
    for (int64_t j = 0; j < product.n; ++j) {
      double total = 0, magnitude = 0;
      for (int64_t i = 0; i < product.k; ++i) {
        const double term = static_cast<double>(product.a.row(r)[i]) *
                            product.weight[static_cast<size_t>(j * product.k + i)];
        total += term;
        magnitude += std::abs(term);
      }
      const double bias = product.bias[static_cast<size_t>(j)];
      const double expected = apply(epilogue, total + bias, product.residual.row(r)[j]);
      // Rounding of a chain grows with its length in the worst case, with the root as a rule.
      const double tolerance = 1e-6 + 2e-7 * (magnitude + std::abs(bias)) + 2e-7;
      ASSERT_NEAR(product.c.row(r)[j], expected, tolerance)
          << "row " << r << " column " << j << " of " << product.m << "x" << product.n << "x"
          << product.k;
    }
  }
}

class GemmKernels : public KernelTest {};
FUSEBERT_FOR_EVERY_ISA(GemmKernels);

TEST_P(GemmKernels, PackingPutsEveryWeightInItsPlaceAndZerosElsewhere) {
  const int64_t width = kernels().gemm_panel_width;
  for (const int64_t used : {int64_t{1}, width - 1, width}) {
    for (const int64_t k : {1, 15, 16, 17, 40}) {
      Random random(7);
      const std::vector<float> rows = normal(random, used * k);
      std::vector<float> panel(static_cast<size_t>(k * width) + 1, canary());
      kernels().pack_panel(rows.data(), used, k, panel.data());
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          const float expected = j < used ? rows[static_cast<size_t>(j * k + i)] : 0.0f;
          ASSERT_EQ(panel[static_cast<size_t>(i * width + j)], expected);
        }
      }
      EXPECT_TRUE(is_canary(panel.back()));
    }
  }
}

TEST_P(GemmKernels, AgreesWithDoublePrecisionOverRandomShapes) {
  Random random(1);
  for (int round = 0; round < 40; ++round) {
    const int64_t m = pick(random, 1, 40), n = pick(random, 1, 80), k = pick(random, 1, 130);
    const Epilogue epilogue = kEpilogues[round % std::size(kEpilogues)];
    Product product(kernels(), m, n, k, 100 + static_cast<uint64_t>(round));
    product.run(epilogue);
    expect_close(product, epilogue);
    if (HasFatalFailure()) return;
  }
}

TEST_P(GemmKernels, AgreesWithTheScalarTableOnLongChainsAndEveryCutIntoTiles) {
  for (int64_t m = 1; m <= 3 * kernels().gemm_tile_rows + 1; ++m) {
    // Longer than one block of k, and not a multiple of anything.
    Product product(kernels(), m, 33, 1601, 5), reference(scalar(), m, 33, 1601, 5);
    product.run(Epilogue::kGelu);
    reference.run(Epilogue::kGelu);
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t j = 0; j < 33; ++j) {
        ASSERT_NEAR(product.c.row(r)[j], reference.c.row(r)[j], 2e-5);
      }
    }
  }
}

TEST_P(GemmKernels, BitsOfARowDependOnThatRowOnly) {
  Random random(2);
  for (const Epilogue epilogue : kEpilogues) {
    const int64_t m = pick(random, 2, 50), n = pick(random, 1, 100), k = pick(random, 700, 1700);
    Product product(kernels(), m, n, k, 11);
    product.run(epilogue);
    // Row by row, panel by panel, and in random cuts.
    TestMatrix alone(m, n), cut(m, n);
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t p = 0; p < product.panel_count(); ++p) {
        product.run(epilogue, {r, r + 1, p, p + 1}, alone);
      }
    }
    for (int64_t r = 0; r < m;) {
      const int64_t end = std::min(m, r + pick(random, 1, 30));
      product.run(epilogue, {r, end, 0, product.panel_count()}, cut);
      r = end;
    }
    EXPECT_TRUE(same_bits(product.c, alone));
    EXPECT_TRUE(same_bits(product.c, cut));
  }
}

TEST_P(GemmKernels, WritesNothingOutsideItsRange) {
  const int64_t width = kernels().gemm_panel_width;
  Product product(kernels(), 9, 3 * width, 20, 3);
  TestMatrix out(9, 3 * width);
  product.run(Epilogue::kNone, {2, 7, 1, 2}, out);
  for (int64_t r = 0; r < 9; ++r) {
    for (int64_t j = 0; j < out.stride; ++j) {
      const bool inside = r >= 2 && r < 7 && j >= width && j < 2 * width;
      ASSERT_EQ(is_canary(out.row(r)[j]), !inside) << "row " << r << " column " << j;
    }
  }
}

// k = 1 with weight 1 and bias 0 makes a product an elementwise function.
std::vector<float> elementwise(const Kernels& kernels, Epilogue epilogue,
                               const std::vector<float>& x) {
  Product product(kernels, static_cast<int64_t>(x.size()), 1, 1, 1);
  const std::vector<float> one = {1.0f};
  kernels.pack_panel(one.data(), 1, 1, product.panels.data());
  std::fill(product.bias.begin(), product.bias.end(), 0.0f);
  for (size_t i = 0; i < x.size(); ++i) product.a.row(static_cast<int64_t>(i))[0] = x[i];
  product.run(epilogue);
  std::vector<float> y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(product.c.row(static_cast<int64_t>(i))[0]);
  return y;
}

TEST_P(GemmKernels, ActivationsAreAccurateOverTheirWholeRange) {
  std::vector<float> x = {0.0f,  -0.0f,  1e-30f, -1e-30f, 1e-8f, -1e-8f, 8.0f,  -8.0f,
                          50.0f, -50.0f, 1e4f,   -1e4f,   1e30f, -1e30f, 90.0f, -90.0f};
  for (int i = -6000; i <= 6000; ++i) x.push_back(static_cast<float>(i) * 2e-3f + 1e-4f);
  for (const Epilogue epilogue : {Epilogue::kGelu, Epilogue::kGeluTanh, Epilogue::kQuickGelu,
                                  Epilogue::kSilu, Epilogue::kTanh}) {
    const std::vector<float> y = elementwise(kernels(), epilogue, x);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = apply(epilogue, x[i], 0);
      // Absolute near zero, two units in the last place of the result where it is large.
      const double allowed = 2e-7 + 2.4e-7 * std::abs(expected);
      ASSERT_NEAR(y[i], expected, allowed) << "x = " << x[i];
      if (std::abs(x[i]) < 12) worst = std::max(worst, std::abs(y[i] - expected));
    }
    EXPECT_LT(worst, 1.5e-6);  // one and a half units in the last place of results near 12
  }
}

}  // namespace
}  // namespace fusebert::cpu
