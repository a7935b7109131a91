// The top_k kernel: exactly the columns of a sorted row, equal ones in order, over seeded rows from
// one column to a vocabulary's; and a kernel that is wrong on purpose.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cuda/device.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/top_k/top_k_params.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

struct Top {
  std::vector<std::int32_t> columns;
  std::vector<float> values, log_sum_exp;
};

// What the kernel makes of logits [rows, columns]; `change` may make its parameters wrong.
template <class Change>
Top run(const std::vector<float>& logits, std::size_t columns, std::size_t count,
        const Change& change) {
  const std::size_t rows = logits.size() / columns;
  const Array<float> in(logits), values(rows * count), sums(rows);
  const Array<std::int32_t> row_count(std::vector{static_cast<std::int32_t>(rows)});
  const Array<std::int32_t> found(rows * count);
  TopKParams params;
  params.logits = in.data();
  params.rows = row_count.data();
  params.top_columns = found.data();
  params.top_values = values.data();
  params.log_sum_exp = sums.data();
  params.columns = static_cast<std::int32_t>(columns);
  params.count = static_cast<std::int32_t>(count);
  change(params);
  auto kernel = Kernel::find(Device::get().module("top_k"), "top_k", 0);
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  if (!kernel.ok()) return {};
  const LaunchShape shape{static_cast<unsigned>(rows) + 1, kTopKThreads, 0};
  const Status status = kernel.value().launch(Device::get().stream(), shape, params);
  EXPECT_TRUE(status.ok()) << status.message();
  return {found.download(), values.download(), sums.download()};
}

Top run(const std::vector<float>& logits, std::size_t columns, std::size_t count) {
  return run(logits, columns, count, [](TopKParams&) {});
}

// By sorting, and in fp64.
Top reference(const std::vector<float>& logits, std::size_t columns, std::size_t count) {
  Top top;
  for (std::size_t first = 0; first < logits.size(); first += columns) {
    const float* row = &logits[first];
    std::vector<std::int32_t> order(columns);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
    for (std::size_t i = 0; i < count; ++i) {
      top.columns.push_back(order[i]);
      top.values.push_back(row[order[i]]);
    }
    const double largest = row[order[0]];
    double sum = 0.0;
    for (std::size_t i = 0; i < columns; ++i) sum += std::exp(row[i] - largest);
    top.log_sum_exp.push_back(static_cast<float>(largest + std::log(sum)));
  }
  return top;
}

void expect_same(const Top& found, const Top& expected) {
  EXPECT_EQ(found.columns, expected.columns);
  EXPECT_EQ(found.values, expected.values);
  ASSERT_EQ(found.log_sum_exp.size(), expected.log_sum_exp.size());
  for (std::size_t i = 0; i < expected.log_sum_exp.size(); ++i) {
    EXPECT_NEAR(found.log_sum_exp[i], expected.log_sum_exp[i],
                2e-6 * (1.0 + std::fabs(expected.log_sum_exp[i])));
  }
}

// Of many that are equal when `coarse`.
std::vector<float> random_logits(std::mt19937_64& random, std::size_t count, bool coarse) {
  const Numbers numbers = random_numbers(random, count, 4.0);
  std::vector<float> logits(numbers.begin(), numbers.end());
  for (float& each : logits) {
    if (coarse) each = std::round(each);
  }
  return logits;
}

TEST(TopK, IsThatOfASortedRow) {
  std::mt19937_64 random(3);
  for (const std::size_t columns : {1, 2, 3, 511, 512, 513, 1000, 2047}) {
    for (const std::size_t count : {1, 2, 5, 64}) {
      if (count > columns) continue;
      for (const bool coarse : {false, true}) {
        SCOPED_TRACE(std::to_string(columns) + ", " + std::to_string(count));
        const auto logits = random_logits(random, columns * (1 + random() % 3), coarse);
        expect_same(run(logits, columns, count), reference(logits, columns, count));
      }
    }
  }
}

TEST(TopK, OfAVocabulary) {
  std::mt19937_64 random(5);
  constexpr std::size_t kColumns = 30522;
  const auto logits = random_logits(random, 2 * kColumns, true);
  expect_same(run(logits, kColumns, 10), reference(logits, kColumns, 10));
}

TEST(TopK, AsManyAsMayBeAskedFor) {
  std::mt19937_64 random(7);
  for (const std::size_t columns : {256, 700}) {
    const auto logits = random_logits(random, columns, columns == 700);
    expect_same(run(logits, columns, 256), reference(logits, columns, 256));
  }
}

TEST(TopK, SignsOfZeroAndNumbersOfAnySize) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  const std::vector<float> logits{0.0f, -0.0f, -kLargest, 0.0f, kLeast, -kLeast, -1e30f, -0.0f};
  const Top found = run(logits, logits.size(), logits.size());
  EXPECT_EQ(found.columns, (std::vector<std::int32_t>{4, 0, 1, 3, 7, 5, 6, 2}));
}

TEST(TopK, NaNComesLast) {
  const std::vector<float> logits{NAN, -1e30f, 2.0f, NAN, 3.0f};
  EXPECT_EQ(run(logits, 5, 5).columns, (std::vector<std::int32_t>{4, 2, 1, 0, 3}));
}

TEST(TopK, AWrongKernelIsFound) {
  std::mt19937_64 random(11);
  auto logits = random_logits(random, 600, false);
  logits[599] = 50.0f;
  // The last column is left out.
  const Top found = run(logits, 600, 5, [](TopKParams& params) { params.columns -= 1; });
  const Top expected = reference(logits, 600, 5);
  EXPECT_NE(found.columns, expected.columns);
  EXPECT_GT(std::fabs(found.log_sum_exp[0] - expected.log_sum_exp[0]), 1.0f);
}

}  // namespace
}  // namespace fusebert::cuda::testing
