// The kernels that work on rows: embeddings, LayerNorm, pooling, and rows on their way to the host.
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "cuda/device.h"
#include "cuda/driver/kernel.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/kernels/common/rows.h"
#include "cuda/kernels/layer_norm/layer_norm_params.h"
#include "cuda/kernels/pooling/pooling_params.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

constexpr std::int32_t kNoOverflow = std::numeric_limits<std::int32_t>::max();
constexpr float kEpsilon = 1e-12f;
constexpr int kColumns[] = {8, 64, 256, 264, 312, 768, 1024, 1032, 2560, 4096};

Kernel find(const std::string& file, const std::string& name, int columns,
            const Element& element, unsigned shared_bytes = 0) {
  auto kernel = Kernel::find(Device::get().module(file, element.name), row_kernel(name, columns),
                             shared_bytes);
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  return kernel.ok() ? kernel.value() : Kernel();
}

template <class Params>
void launch(const Kernel& kernel, const LaunchShape& shape, const Params& params) {
  const Status status = kernel.launch(Device::get().stream(), shape, params);
  EXPECT_TRUE(status.ok()) << status.message();
}

std::vector<float> floats(const Numbers& numbers) {
  return std::vector<float>(numbers.begin(), numbers.end());
}

unsigned blocks_of(std::size_t rows) {
  return KernelSet::row_shape(static_cast<std::int64_t>(rows)).blocks;
}

Numbers normalized(const Numbers& x, std::size_t columns, const Numbers& gamma,
                   const Numbers& beta) {
  Numbers out(x.size());
  for (std::size_t first = 0; first < x.size(); first += columns) {
    const double mean = std::accumulate(&x[first], &x[first] + columns, 0.0) /
                        static_cast<double>(columns);
    double squares = 0.0;
    for (std::size_t i = 0; i < columns; ++i) squares += std::pow(x[first + i] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(columns) + kEpsilon);
    for (std::size_t i = 0; i < columns; ++i) {
      out[first + i] = (x[first + i] - mean) / deviation * gamma[i] + beta[i];
    }
  }
  return out;
}

// gamma, beta and the rest of a LayerNorm's parameters, on the device.
struct Norm {
  Numbers gamma, beta;
  Array<float> device_gamma, device_beta;
  Array<std::int32_t> rows, overflow;
  std::size_t columns;

  Norm(std::mt19937_64& random, std::size_t row_count, std::size_t column_count)
      : gamma(random_numbers(random, column_count)),
        beta(random_numbers(random, column_count)),
        device_gamma(floats(gamma)),
        device_beta(floats(beta)),
        rows(std::vector{static_cast<std::int32_t>(row_count)}),
        overflow(std::vector{kNoOverflow}),
        columns(column_count) {}

  LayerNormParams params(const void* in, void* out) const {
    LayerNormParams params;
    params.in = in;
    params.out = out;
    params.gamma = device_gamma.data();
    params.beta = device_beta.data();
    params.rows = rows.data();
    params.overflow = overflow.data();
    params.place = 5;
    params.columns = static_cast<std::int32_t>(columns);
    params.epsilon = kEpsilon;
    return params;
  }
};

void check_layer_norm(std::mt19937_64& random, std::size_t rows, int columns,
                      const Element& element) {
  SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
  const auto width = static_cast<std::size_t>(columns);
  Numbers x = random_numbers(random, rows * width);
  for (double& number : x) number += 3.0;  // a mean that must not cost digits
  const Norm norm(random, rows, width);
  const Array<std::uint16_t> in(round_all(element, x)), out(rows * width);
  launch(find("layer_norm", "layer_norm", columns, element),
         {blocks_of(rows) + 1, kRowThreads, 0}, norm.params(in.data(), out.data()));
  EXPECT_ACCURATE(values_of(element, out.download()), normalized(x, width, norm.gamma, norm.beta),
                  rounded(element, normalized(rounded(element, x), width, norm.gamma,
                                              norm.beta)));
  EXPECT_EQ(norm.overflow.download()[0], kNoOverflow);
}

TEST(LayerNorm, RowsOfEveryLength) {
  std::mt19937_64 random(3);
  for (const int columns : kColumns) check_layer_norm(random, 1 + random() % 20, columns, kFp16);
  if (Device::get().has_bf16()) check_layer_norm(random, 11, 768, kBf16);
}

TEST(LayerNorm, NamesThePlaceOfAnOverflow) {
  std::mt19937_64 random(5);
  constexpr std::size_t kRows = 9, kWidth = 64;
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    Numbers x = random_numbers(random, kRows * kWidth);
    x[8 * kWidth + 63] = bad;
    const Norm norm(random, kRows, kWidth);
    const Array<std::uint16_t> in(round_all(kFp16, x)), out(kRows * kWidth);
    launch(find("layer_norm", "layer_norm", kWidth, kFp16), {blocks_of(kRows), kRowThreads, 0},
           norm.params(in.data(), out.data()));
    EXPECT_EQ(norm.overflow.download()[0], 5);
  }
}

TEST(Embeddings, SumsAndNormalizes) {
  std::mt19937_64 random(7);
  constexpr std::size_t kRows = 21, kWidth = 312, kVocabulary = 50, kPositions = 12, kTypes = 2;
  const Numbers words = random_numbers(random, kVocabulary * kWidth);
  const Numbers positions = random_numbers(random, kPositions * kWidth);
  const Numbers types = random_numbers(random, kTypes * kWidth);
  std::vector<std::int32_t> ids(kRows), places(kRows), kinds(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    ids[i] = static_cast<std::int32_t>(random() % kVocabulary);
    places[i] = static_cast<std::int32_t>(i % kPositions);
    kinds[i] = static_cast<std::int32_t>(random() % kTypes);
  }
  const auto sum = [&](const std::function<Numbers(const Numbers&)>& as) {
    const Numbers w = as(words), p = as(positions), t = as(types);
    Numbers x(kRows * kWidth);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t row = i / kWidth, column = i % kWidth;
      const auto entry = [&](const Numbers& table, std::int32_t index) {
        return table[static_cast<std::size_t>(index) * kWidth + column];
      };
      x[i] = entry(w, ids[row]) + entry(p, places[row]) + entry(t, kinds[row]);
    }
    return x;
  };
  const Norm norm(random, kRows, kWidth);
  const Array<std::uint16_t> device_words(round_all(kFp16, words));
  const Array<std::uint16_t> device_positions(round_all(kFp16, positions));
  const Array<std::uint16_t> device_types(round_all(kFp16, types));
  const Array<std::int32_t> device_ids(ids), device_places(places), device_kinds(kinds);
  const Array<std::uint16_t> out(kRows * kWidth);
  EmbeddingParams params;
  params.words = device_words.data();
  params.positions = device_positions.data();
  params.types = device_types.data();
  params.ids = device_ids.data();
  params.position_ids = device_places.data();
  params.type_ids = device_kinds.data();
  params.norm = norm.params(nullptr, out.data());
  launch(find("embeddings", "embeddings", kWidth, kFp16), {blocks_of(kRows) + 1, kRowThreads, 0},
         params);
  const Numbers exact = normalized(sum([](const Numbers& x) { return x; }), kWidth, norm.gamma,
                                   norm.beta);
  const Numbers naive = rounded(
      kFp16, normalized(sum([](const Numbers& x) { return rounded(kFp16, x); }), kWidth,
                        norm.gamma, norm.beta));
  EXPECT_ACCURATE(values_of(kFp16, out.download()), exact, naive);
}

Numbers unit(Numbers x, std::size_t columns) {
  for (std::size_t first = 0; first < x.size(); first += columns) {
    double squares = 0.0;
    for (std::size_t i = 0; i < columns; ++i) squares += x[first + i] * x[first + i];
    const double norm = std::max(std::sqrt(squares), 1e-12);
    for (std::size_t i = 0; i < columns; ++i) x[first + i] /= norm;
  }
  return x;
}

Numbers pooled(const Numbers& x, const std::vector<std::int32_t>& starts, std::size_t columns,
               PoolingKind kind) {
  Numbers out;
  for (std::size_t sequence = 0; sequence + 1 < starts.size(); ++sequence) {
    const auto first = static_cast<std::size_t>(starts[sequence]);
    const auto end = kind == PoolingKind::kCls ? first + 1
                                               : static_cast<std::size_t>(starts[sequence + 1]);
    for (std::size_t column = 0; column < columns; ++column) {
      double value = kind == PoolingKind::kMax ? -INFINITY : 0.0;
      for (std::size_t row = first; row < end; ++row) {
        const double each = x[row * columns + column];
        value = kind == PoolingKind::kMax ? std::max(value, each) : value + each;
      }
      if (kind == PoolingKind::kMean) value /= static_cast<double>(end - first);
      out.push_back(value);
    }
  }
  return out;
}

TEST(Pooling, EveryKindOfRaggedSequences) {
  std::mt19937_64 random(11);
  const std::vector<std::int32_t> starts{0, 1, 4, 12, 13, 40};
  const Array<std::int32_t> device_starts(starts);
  const auto sequences = static_cast<std::int32_t>(starts.size() - 1);
  const Array<std::int32_t> count(std::vector{sequences});
  for (const int columns : {8, 312, 768, 1032, 4096}) {
    const auto width = static_cast<std::size_t>(columns);
    const Numbers x = random_numbers(random, static_cast<std::size_t>(starts.back()) * width);
    const Array<std::uint16_t> in(round_all(kFp16, x));
    const int warps = pooling_warps(columns);
    const unsigned shared_bytes = static_cast<unsigned>(warps * (columns + 1) * 4);
    const Kernel kernel = find("pooling", "pool", columns, kFp16, shared_bytes);
    for (const PoolingKind kind : {PoolingKind::kMean, PoolingKind::kCls, PoolingKind::kMax}) {
      for (const bool normalize : {false, true}) {
        const Array<float> out(static_cast<std::size_t>(sequences) * width);
        launch(kernel, {static_cast<unsigned>(sequences) + 2, static_cast<unsigned>(32 * warps),
                        shared_bytes},
               PoolingParams{in.data(), out.data(), device_starts.data(), count.data(), columns,
                             kind, normalize ? 1 : 0});
        const std::vector<float> found = out.download();
        // The result is fp32 of 16-bit numbers, so it is held to more than the rule.
        Numbers exact = pooled(rounded(kFp16, x), starts, width, kind);
        if (normalize) exact = unit(exact, width);
        for (std::size_t i = 0; i < exact.size(); ++i) {
          ASSERT_NEAR(found[i], exact[i], 2e-6) << columns << ' ' << static_cast<int>(kind);
        }
      }
    }
  }
}

TEST(Rows, AreCopiedAndGathered) {
  std::mt19937_64 random(13);
  constexpr std::size_t kRows = 19;
  const std::vector<std::int32_t> indices{18, 0, 7, 7, 3, 11, 2, 9, 1};
  const Array<std::int32_t> device_indices(indices);
  const Array<std::int32_t> all(std::vector{static_cast<std::int32_t>(kRows)});
  const Array<std::int32_t> some(std::vector{static_cast<std::int32_t>(indices.size())});
  for (const int columns : {64, 776}) {
    const auto width = static_cast<std::size_t>(columns);
    const Halves halves = round_all(kFp16, random_numbers(random, kRows * width));
    const Array<std::uint16_t> in(halves), gathered(indices.size() * width);
    const Array<float> plain(kRows * width), normal(kRows * width);
    const Kernel copy = find("pooling", "copy_rows", columns, kFp16);
    const LaunchShape shape{blocks_of(kRows) + 1, kRowThreads, 0};
    launch(copy, shape, RowsParams{in.data(), plain.data(), nullptr, all.data(), columns, 0});
    launch(copy, shape, RowsParams{in.data(), normal.data(), nullptr, all.data(), columns, 1});
    launch(find("pooling", "gather_rows", columns, kFp16), shape,
           RowsParams{in.data(), gathered.data(), device_indices.data(), some.data(), columns, 0});
    const Numbers values = values_of(kFp16, halves), units = unit(values, width);
    const std::vector<float> found = plain.download(), found_units = normal.download();
    const Halves chosen = gathered.download();
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(found[i], values[i]);
      ASSERT_NEAR(found_units[i], units[i], 1e-6);
    }
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto row = static_cast<std::size_t>(indices[i / width]);
      ASSERT_EQ(chosen[i], halves[row * width + i % width]);
    }
  }
}

}  // namespace
}  // namespace fusebert::cuda::testing
