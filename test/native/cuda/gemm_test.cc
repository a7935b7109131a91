// The GEMM kernels: each size of tile over seeded shapes, odd and ragged ones too, every
// activation, with and without a residual; and kernels that are wrong on purpose.
#include "cuda/kernels/gemm/gemm.h"

#include <cmath>
#include <numbers>

#include "cuda/device.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

constexpr GemmTile kTiles[] = {GemmTile::kLarge, GemmTile::kMedium, GemmTile::kSmall};
constexpr GemmActivation kActivations[] = {GemmActivation::kNone, GemmActivation::kGelu,
                                           GemmActivation::kGeluTanh, GemmActivation::kQuickGelu,
                                           GemmActivation::kRelu, GemmActivation::kSilu,
                                           GemmActivation::kTanh};

double activated(GemmActivation activation, double x) {
  switch (activation) {
    case GemmActivation::kNone: return x;
    case GemmActivation::kGelu: return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case GemmActivation::kGeluTanh: {
      const double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
      return 0.5 * x * (1.0 + std::tanh(inner));
    }
    case GemmActivation::kQuickGelu: return x / (1.0 + std::exp(-1.702 * x));
    case GemmActivation::kSilu: return x / (1.0 + std::exp(-x));
    case GemmActivation::kRelu: return std::max(x, 0.0);
    case GemmActivation::kTanh: return std::tanh(x);
  }
  return x;
}

// One product with its numbers, exact and as the device gets them.
struct Case {
  std::int32_t rows, columns, depth;
  GemmActivation activation;
  bool has_residual;
  Numbers in, weight, bias, residual;

  Case(std::mt19937_64& random, std::int32_t m, std::int32_t n, std::int32_t k,
       GemmActivation function, bool adds)
      : rows(m), columns(n), depth(k), activation(function), has_residual(adds) {
    const auto count = [](std::int32_t a, std::int32_t b) {
      return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
    };
    in = random_numbers(random, count(m, k));
    weight = random_numbers(random, count(n, k), 1.0 / std::sqrt(k));
    bias = random_numbers(random, static_cast<std::size_t>(n));
    if (adds) residual = random_numbers(random, count(m, n));
  }

  // In fp64, of these factors.
  Numbers product(const Numbers& a, const Numbers& w, const Numbers& added) const {
    Numbers out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
    for (std::int32_t row = 0; row < rows; ++row) {
      for (std::int32_t column = 0; column < columns; ++column) {
        double sum = bias[static_cast<std::size_t>(column)];
        const double* x = &a[static_cast<std::size_t>(row) * static_cast<std::size_t>(depth)];
        const double* y = &w[static_cast<std::size_t>(column) * static_cast<std::size_t>(depth)];
        for (std::int32_t i = 0; i < depth; ++i) sum += x[i] * y[i];
        const auto at = static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
                        static_cast<std::size_t>(column);
        out[at] = activated(activation, sum) + (has_residual ? added[at] : 0.0);
      }
    }
    return out;
  }
  Numbers exact() const { return product(in, weight, residual); }
  Numbers naive(const Element& element) const {
    return rounded(element, product(rounded(element, in), rounded(element, weight),
                                    rounded(element, residual)));
  }
};

// What the kernel makes of the case; `launch` is given its parameters.
template <class Launch>
Halves run(const Case& each, const Element& element, const Launch& launch) {
  const Array<std::uint16_t> in(round_all(element, each.in));
  const Array<std::uint16_t> weight(round_all(element, each.weight));
  const Array<std::uint16_t> residual(round_all(element, each.residual));
  const Array<float> bias(std::vector<float>(each.bias.begin(), each.bias.end()));
  const Array<std::int32_t> rows(std::vector<std::int32_t>{each.rows});
  const Array<std::uint16_t> out(static_cast<std::size_t>(each.rows) *
                                 static_cast<std::size_t>(each.columns));
  GemmParams params;
  params.in = in.data();
  params.weight = weight.data();
  params.bias = bias.data();
  params.residual = each.has_residual ? residual.data() : nullptr;
  params.out = out.data();
  params.rows = rows.data();
  params.columns = each.columns;
  params.depth = params.in_stride = params.weight_stride = each.depth;
  params.out_stride = each.columns;
  params.activation = each.activation;
  const Status status = launch(params);
  EXPECT_TRUE(status.ok()) << status.message();
  return out.download();
}

GemmKernels load(const Element& element, const char* kernel = "gemm") {
  Device& device = Device::get();
  auto kernels = GemmKernels::load(device.module(kernel, element.name), device.architecture());
  EXPECT_TRUE(kernels.ok()) << kernels.status().message();
  return kernels.ok() ? kernels.value() : GemmKernels();
}

// Every tile gives an accurate result, and the same bits.
void check(const Case& each, const Element& element) {
  SCOPED_TRACE(std::to_string(each.rows) + " x " + std::to_string(each.columns) + " x " +
               std::to_string(each.depth) + ", activation " +
               std::to_string(static_cast<int>(each.activation)) + ", " + element.name);
  const GemmKernels kernels = load(element);
  const Numbers exact = each.exact(), naive = each.naive(element);
  Halves first;
  for (const GemmTile tile : kTiles) {
    // A grid for more rows than there are is what a graph of a bucket has.
    for (const std::int64_t more : {0, 100}) {
      const Halves found = run(each, element, [&](const GemmParams& params) {
        return kernels.launch(Device::get().stream(), tile, each.rows + more, params);
      });
      if (first.empty()) {
        first = found;
        EXPECT_ACCURATE(values_of(element, found), exact, naive);
      }
      EXPECT_EQ(found, first) << gemm_kernel(tile);
    }
  }
}

TEST(Gemm, SmallAndRaggedShapes) {
  std::mt19937_64 random(7);
  for (const auto& [m, n, k] : {std::tuple{1, 8, 8}, {1, 40, 72}, {17, 136, 24}, {33, 8, 200},
                                {65, 72, 32}, {129, 144, 40}, {130, 256, 96}}) {
    check(Case(random, m, n, k, GemmActivation::kNone, false), kFp16);
    check(Case(random, m, n, k, GemmActivation::kGelu, true), kFp16);
  }
}

TEST(Gemm, SeededShapes) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 8; ++i) {
    const auto one_of = [&](int most) { return static_cast<int>(random() % most) + 1; };
    const GemmActivation activation = kActivations[i % std::size(kActivations)];
    check(Case(random, one_of(200), 8 * one_of(30), 8 * one_of(40), activation,
               random() % 2 == 0),
          kFp16);
  }
}

TEST(Gemm, EveryActivation) {
  std::mt19937_64 random(13);
  for (const GemmActivation activation : kActivations) {
    Case each(random, 37, 64, 64, activation, false);
    for (double& x : each.bias) x *= 4.0;  // also where they saturate
    check(each, kFp16);
  }
}

TEST(Gemm, DepthOfBertBase) {
  std::mt19937_64 random(17);
  check(Case(random, 40, 96, 3072, GemmActivation::kNone, true), kFp16);
}

TEST(Gemm, Bf16) {
  if (!Device::get().has_bf16()) GTEST_SKIP() << "not below sm_80";
  std::mt19937_64 random(19);
  check(Case(random, 70, 72, 136, GemmActivation::kGelu, true), kBf16);
}

TEST(Gemm, AWrongKernelIsFound) {
  std::mt19937_64 random(23);
  const Case each(random, 50, 64, 160, GemmActivation::kNone, false);
  const GemmKernels kernels = load(kFp16);
  // One step of depth is left out.
  const Halves found = run(each, kFp16, [&](GemmParams params) {
    params.depth -= 16;
    return kernels.launch(Device::get().stream(), GemmTile::kSmall, each.rows, params);
  });
  EXPECT_FALSE(is_accurate(values_of(kFp16, found), each.exact(), each.naive(kFp16)));
}

TEST(Gemm, ChoosesTilesThatKeepTheDeviceBusy) {
  constexpr int kMultiprocessors = 108;
  EXPECT_EQ(choose_gemm_tile(2048, 768, kMultiprocessors), GemmTile::kLarge);
  EXPECT_EQ(choose_gemm_tile(512, 768, kMultiprocessors), GemmTile::kMedium);
  EXPECT_EQ(choose_gemm_tile(16, 768, kMultiprocessors), GemmTile::kSmall);
}

}  // namespace
}  // namespace fusebert::cuda::testing
