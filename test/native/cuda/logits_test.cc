// The logits kernels: each size of tile over seeded shapes with any number of outputs, padded
// columns that nobody may see, and what is not finite; and a kernel that is wrong on purpose.
#include "cuda/kernels/logits/logits.h"

#include <cmath>
#include <limits>

#include "cuda/device.h"
#include "cuda/kernels/gemm/gemm.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

constexpr GemmTile kTiles[] = {GemmTile::kLarge, GemmTile::kMedium, GemmTile::kSmall};
constexpr std::int32_t kNoOverflow = std::numeric_limits<std::int32_t>::max();

// One product with its numbers, exact and as the device gets them.
struct Case {
  std::size_t rows, outputs, depth;
  Numbers in, weight, bias;

  Case(std::mt19937_64& random, std::size_t m, std::size_t n, std::size_t k)
      : rows(m),
        outputs(n),
        depth(k),
        in(random_numbers(random, m * k)),
        weight(random_numbers(random, n * k, 1.0 / std::sqrt(k))),
        bias(random_numbers(random, n)) {}

  // In fp64, of these factors.
  Numbers product(const Numbers& a, const Numbers& w) const {
    Numbers out;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < outputs; ++column) {
        double sum = bias[column];
        for (std::size_t i = 0; i < depth; ++i) sum += a[row * depth + i] * w[column * depth + i];
        out.push_back(sum);
      }
    }
    return out;
  }
  Numbers exact() const { return product(in, weight); }
  Numbers naive(const Element& element) const {
    return rounded(element, product(rounded(element, in), rounded(element, weight)));
  }
};

struct Found {
  std::vector<float> logits;
  std::int32_t overflow;

  Numbers numbers() const { return Numbers(logits.begin(), logits.end()); }
};

// Padded rows of the weight and of the bias are loud, to see that nobody hears them.
template <class Launch>
Found run(const Case& each, const Element& element, const Launch& launch) {
  const auto padded = static_cast<std::size_t>(padded_outputs(static_cast<int>(each.outputs)));
  Halves weights = round_all(element, each.weight);
  weights.resize(padded * each.depth, element.round(NAN));
  std::vector<float> biases(each.bias.begin(), each.bias.end());
  biases.resize(padded, NAN);
  const Array<std::uint16_t> in(round_all(element, each.in)), weight(weights);
  const Array<float> bias(biases), out(each.rows * each.outputs);
  const Array<std::int32_t> rows(std::vector{static_cast<std::int32_t>(each.rows)});
  const Array<std::int32_t> overflow(std::vector{kNoOverflow});
  LogitsParams params;
  params.product.in = in.data();
  params.product.weight = weight.data();
  params.product.bias = bias.data();
  params.product.rows = rows.data();
  params.product.columns = static_cast<std::int32_t>(padded);
  params.product.depth = params.product.in_stride = params.product.weight_stride =
      static_cast<std::int32_t>(each.depth);
  params.out = out.data();
  params.outputs = static_cast<std::int32_t>(each.outputs);
  params.overflow = overflow.data();
  params.place = 9;
  const Status status = launch(params);
  EXPECT_TRUE(status.ok()) << status.message();
  return {out.download(), overflow.download()[0]};
}

LogitsKernels load(const Element& element) {
  Device& device = Device::get();
  auto kernels = LogitsKernels::load(device.module("logits", element.name), device.architecture());
  EXPECT_TRUE(kernels.ok()) << kernels.status().message();
  return kernels.ok() ? kernels.value() : LogitsKernels();
}

Found run_tile(const Case& each, const Element& element, GemmTile tile, std::int64_t more = 0) {
  const LogitsKernels kernels = load(element);
  return run(each, element, [&](const LogitsParams& params) {
    return kernels.launch(Device::get().stream(), tile,
                          static_cast<std::int64_t>(each.rows) + more, params);
  });
}

// Every tile gives an accurate result, and the same bits.
void check(const Case& each, const Element& element) {
  SCOPED_TRACE(std::to_string(each.rows) + " x " + std::to_string(each.outputs) + " x " +
               std::to_string(each.depth) + ", " + element.name);
  const Numbers exact = each.exact(), naive = each.naive(element);
  std::vector<float> first;
  for (const GemmTile tile : kTiles) {
    for (const std::int64_t more : {0, 100}) {
      const Found found = run_tile(each, element, tile, more);
      if (first.empty()) {
        first = found.logits;
        EXPECT_ACCURATE(found.numbers(), exact, naive);
      }
      EXPECT_EQ(found.logits, first) << gemm_kernel(tile);
      EXPECT_EQ(found.overflow, kNoOverflow);
    }
  }
}

TEST(Logits, AnyNumberOfOutputs) {
  std::mt19937_64 random(7);
  for (const auto& [m, n, k] : {std::tuple{1, 1, 8}, {1, 2, 72}, {17, 3, 24}, {33, 9, 200},
                                {65, 71, 32}, {129, 139, 40}, {130, 256, 96}}) {
    check(Case(random, static_cast<std::size_t>(m), static_cast<std::size_t>(n),
               static_cast<std::size_t>(k)),
          kFp16);
  }
}

TEST(Logits, SeededShapes) {
  std::mt19937_64 random(11);
  const auto one_of = [&](std::size_t most) { return random() % most + 1; };
  for (int i = 0; i < 6; ++i) check(Case(random, one_of(150), one_of(300), 8 * one_of(40)), kFp16);
}

TEST(Logits, Bf16) {
  if (!Device::get().has_bf16()) GTEST_SKIP() << "not below sm_80";
  std::mt19937_64 random(13);
  check(Case(random, 40, 77, 136), kBf16);
}

TEST(Logits, BeyondWhat16BitsHold) {
  std::mt19937_64 random(17);
  Case each(random, 5, 3, 64);
  for (double& bias : each.bias) bias *= 1e6;
  const Found found = run_tile(each, kFp16, GemmTile::kSmall);
  EXPECT_EQ(found.overflow, kNoOverflow);
  const Numbers exact = each.exact();
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(found.logits[i], exact[i], 0.5);
  }
}

TEST(Logits, NamesThePlaceOfWhatIsNotFinite) {
  std::mt19937_64 random(19);
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    Case each(random, 35, 3, 64);
    each.in[34 * 64 + 63] = bad;
    for (const GemmTile tile : kTiles) EXPECT_EQ(run_tile(each, kFp16, tile).overflow, 9);
  }
}

TEST(Logits, AWrongKernelIsFound) {
  std::mt19937_64 random(23);
  const Case each(random, 50, 61, 160);
  const LogitsKernels kernels = load(kFp16);
  // One step of depth is left out.
  const Found found = run(each, kFp16, [&](LogitsParams params) {
    params.product.depth -= 16;
    return kernels.launch(Device::get().stream(), GemmTile::kSmall,
                          static_cast<std::int64_t>(each.rows), params);
  });
  EXPECT_FALSE(is_accurate(found.numbers(), each.exact(), each.naive(kFp16)));
}

}  // namespace
}  // namespace fusebert::cuda::testing
