// The kernels that end an encoder: pooling of each kind over ragged sequences, rows copied and
// gathered; and kernels that are wrong on purpose.
#include "cuda/kernels/pooling/pooling_params.h"

#include <cmath>

#include "cuda/row_support.h"

namespace fusebert::cuda::testing {
namespace {

using ::testing::AssertionResult;
using Indices = std::vector<std::int32_t>;

// Of fp32 results computed from the same 16-bit numbers: they are held to more than the rule.
constexpr double kAlmostExact = 2e-6;

AssertionResult is_near(const Numbers& found, const Numbers& exact, double allowed) {
  const double error = errors_of(found, exact).most;
  if (error <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "an error of " << error << ", allowed " << allowed;
}

// Sequences of rows, exact and as the device gets them.
struct Batch {
  const Element& element;
  Indices starts;
  int columns;
  Numbers x;
  Halves halves;
  Numbers rounded_x;

  Batch(std::mt19937_64& random, const Indices& lengths, int column_count, const Element& type)
      : element(type), starts{0}, columns(column_count) {
    for (const std::int32_t length : lengths) starts.push_back(starts.back() + length);
    x = random_numbers(random, static_cast<std::size_t>(starts.back()) * width());
    halves = round_all(element, x);
    rounded_x = values_of(element, halves);
  }

  std::size_t width() const { return static_cast<std::size_t>(columns); }
  std::size_t sequences() const { return starts.size() - 1; }
};

// How they are pooled.
struct Way {
  PoolingKind kind;
  bool normalizes;
  std::int32_t skip = 0;
};
constexpr Way kWays[] = {
    {PoolingKind::kMean, false},         {PoolingKind::kMean, true},
    {PoolingKind::kCls, false},          {PoolingKind::kCls, true},
    {PoolingKind::kMax, false},          {PoolingKind::kMax, true},
    {PoolingKind::kMeanSqrtLen, false},  {PoolingKind::kWeightedMean, true},
    {PoolingKind::kWeightedMean, false}, {PoolingKind::kLastToken, false},
    {PoolingKind::kMean, false, 2},      {PoolingKind::kCls, true, 2},
    {PoolingKind::kMax, false, 9},       {PoolingKind::kMeanSqrtLen, true, 1},
    {PoolingKind::kLastToken, false, 3}, {PoolingKind::kWeightedMean, false, 5}};

// One column of the rows from `begin` to before `end`.
double pooled_column(const Batch& batch, const Numbers& x, const Way& way, std::size_t begin,
                     std::size_t end, std::size_t column) {
  const auto at = [&](std::size_t row) { return x[row * batch.width() + column]; };
  const std::size_t first = std::min(begin + static_cast<std::size_t>(way.skip), end - 1);
  const auto count = static_cast<double>(end - first);
  double most = at(first), sum = 0.0, weighted = 0.0, weights = 0.0;
  for (std::size_t row = first; row < end; ++row) {
    const auto weight = static_cast<double>(row - begin + 1);
    most = std::max(most, at(row));
    sum += at(row);
    weighted += weight * at(row);
    weights += weight;
  }
  switch (way.kind) {
    case PoolingKind::kMean: return sum / count;
    case PoolingKind::kCls: return at(first);
    case PoolingKind::kMax: return most;
    case PoolingKind::kMeanSqrtLen: return sum / std::sqrt(count);
    case PoolingKind::kWeightedMean: return weighted / weights;
    case PoolingKind::kLastToken: break;
  }
  return at(end - 1);
}

// In fp64, of x or of what it is rounded to.
Numbers pooled(const Batch& batch, const Numbers& x, const Way& way) {
  Numbers out;
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    const auto first = static_cast<std::size_t>(batch.starts[i]);
    const auto end = static_cast<std::size_t>(batch.starts[i + 1]);
    for (std::size_t column = 0; column < batch.width(); ++column) {
      out.push_back(pooled_column(batch, x, way, first, end, column));
    }
  }
  return way.normalizes ? unit(out, batch.width()) : out;
}

Numbers run(const RowKernel& kernel, const Batch& batch, const Way& way) {
  const Array<std::uint16_t> in(batch.halves);
  const Array<std::int32_t> starts(batch.starts);
  const Array<std::int32_t> count(std::vector{static_cast<std::int32_t>(batch.sequences())});
  const Guarded<float> out(batch.sequences() * batch.width());
  LaunchShape shape =
      KernelSet::pool_shape(static_cast<std::int64_t>(batch.sequences()), batch.columns);
  shape.blocks += 2;  // as a graph of a bucket has
  launch(find(kernel, batch.columns, batch.element, shape.shared_bytes), shape,
         PoolingParams{in.data(), out.data(), starts.data(), count.data(), batch.columns, way.kind,
                       way.normalizes ? 1 : 0, batch.columns, way.skip});
  const std::vector<float> found = out.download();
  return Numbers(found.begin(), found.end());
}

// The rule, and nearness to what fp64 makes of the rounded rows.
AssertionResult keeps_rule(const RowKernel& kernel, const Batch& batch, const Way& way) {
  const Numbers found = run(kernel, batch, way), near = pooled(batch, batch.rounded_x, way);
  const bool copies = way.kind == PoolingKind::kCls || way.kind == PoolingKind::kMax ||
                      way.kind == PoolingKind::kLastToken;
  const AssertionResult accurate =
      is_accurate(found, pooled(batch, batch.x, way), rounded(batch.element, near));
  return accurate ? is_near(found, near, copies && !way.normalizes ? 0.0 : kAlmostExact) : accurate;
}

const RowKernel kPool{"pooling", "pool"};

void check(const Batch& batch) {
  for (const Way& way : kWays) {
    EXPECT_TRUE(keeps_rule(kPool, batch, way))
        << batch.sequences() << " sequences x " << batch.columns << ", kind "
        << static_cast<int>(way.kind) << ", skip " << way.skip
        << (way.normalizes ? ", normalized, " : ", ")
        << batch.element.name;
  }
}

TEST(Pooling, EveryKindOfRaggedSequences) {
  std::mt19937_64 random(11);
  for (const Element* element : elements()) {
    for (const int columns : kColumns) check(Batch(random, {1, 3, 8, 1, 27}, columns, *element));
    check(Batch(random, {1}, 8, *element));
  }
}

TEST(Pooling, SeededShapes) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 6; ++i) {
    Indices lengths(1 + random() % 9);
    for (std::int32_t& length : lengths) length = static_cast<std::int32_t>(1 + random() % 60);
    const int columns = 8 * (1 + static_cast<int>(random() % 140));
    check(Batch(random, lengths, columns, *elements()[random() % elements().size()]));
  }
}

TEST(Pooling, LongestSequenceOfBert) {
  std::mt19937_64 random(13);
  check(Batch(random, {511, 512, 1}, 72, kFp16));
}

// Several poolings write beside each other.
TEST(Pooling, RowsMayBeApart) {
  std::mt19937_64 random(18);
  const Batch batch(random, {3, 9}, 72, kFp16);
  const Array<std::uint16_t> in(batch.halves);
  const Array<std::int32_t> starts(batch.starts), count(std::vector<std::int32_t>{2});
  const LaunchShape shape = KernelSet::pool_shape(2, batch.columns);
  const RowKernel kernel{"pooling", "pool"};
  const std::int32_t stride = 2 * batch.columns;
  const Array<float> out(std::vector<float>(2 * static_cast<std::size_t>(stride), -7.0f));
  launch(find(kernel, batch.columns, kFp16, shape.shared_bytes), shape,
         PoolingParams{in.data(), out.data(), starts.data(), count.data(), batch.columns,
                       PoolingKind::kLastToken, 0, stride, 0});
  const std::vector<float> found = out.download();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::size_t row = i / static_cast<std::size_t>(stride);
    const std::size_t column = i % static_cast<std::size_t>(stride);
    const auto last = static_cast<std::size_t>(batch.starts[row + 1]) - 1;
    const double expected =
        column < batch.width() ? batch.rounded_x[last * batch.width() + column] : -7.0;
    EXPECT_EQ(found[i], expected) << i;
  }
}

TEST(Pooling, WrongOnesAreFound) {
  struct Fault {
    const char* name;
    PoolingKind kind;
  };
  constexpr Fault kFaults[] = {{"pool_without_last", PoolingKind::kMean},
                               {"pool_without_last", PoolingKind::kMax},
                               {"pool_with_next", PoolingKind::kMean},
                               {"pool_with_next", PoolingKind::kMax},
                               {"pool_second", PoolingKind::kCls}};
  for (const Element* element : elements()) {
    for (const int columns : kWrongColumns) {
      std::mt19937_64 random(14);
      const Batch batch(random, {2, 12, 33}, columns, *element);
      for (const auto& [name, kind] : kFaults) {
        for (const bool normalizes : {false, true}) {
          EXPECT_FALSE(keeps_rule(wrong(name), batch, {kind, normalizes}))
              << name << ' ' << columns << ", kind " << static_cast<int>(kind);
        }
      }
    }
  }
}

// To the mean of 512 tokens one matters least.
TEST(Pooling, WrongOnesAreFoundInTheLongestSequence) {
  std::mt19937_64 random(15);
  const Batch batch(random, {512, 512}, 72, kFp16);
  const Way way{PoolingKind::kMean, false};
  EXPECT_TRUE(keeps_rule(kPool, batch, way));
  EXPECT_FALSE(keeps_rule(wrong("pool_without_last"), batch, way));
  EXPECT_FALSE(keeps_rule(wrong("pool_with_next"), batch, way));
}

// Rows of which all are copied, or some gathered.
struct RowsCase {
  int columns;
  std::size_t rows;
  Numbers x;  // [rows + 1, columns], the last of which nobody asks for
  Indices indices;

  RowsCase(std::mt19937_64& random, std::size_t row_count, int column_count)
      : columns(column_count),
        rows(row_count),
        x(random_numbers(random, (row_count + 1) * width())),
        indices(1 + random() % (2 * row_count)) {
    for (std::int32_t& each : indices) each = static_cast<std::int32_t>(random() % row_count);
    indices.back() = static_cast<std::int32_t>(row_count - 1);
  }

  std::size_t width() const { return static_cast<std::size_t>(columns); }
  // Those that are asked for.
  Numbers wanted() const {
    return Numbers(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(rows * width()));
  }
};

template <class Out>
std::vector<Out> run(const RowKernel& kernel, const RowsCase& each, const Element& element,
                     bool gathers, bool normalizes) {
  const Array<std::uint16_t> in(round_all(element, each.x));
  const Array<std::int32_t> indices(each.indices);
  const std::size_t rows = gathers ? each.indices.size() : each.rows;
  const Array<std::int32_t> count(std::vector{static_cast<std::int32_t>(rows)});
  const Guarded<Out> out(rows * each.width());
  launch(find(kernel, each.columns, element), row_shape(rows),
         RowsParams{in.data(), out.data(), gathers ? indices.data() : nullptr, count.data(),
                    each.columns, normalizes ? 1 : 0});
  return out.download();
}

// Copies are exact, what is normalized almost.
AssertionResult copies(const RowKernel& kernel, const RowsCase& each, const Element& element,
                       bool normalizes) {
  const std::vector<float> copied = run<float>(kernel, each, element, false, normalizes);
  const Numbers found(copied.begin(), copied.end());
  const auto expected = [&](const Numbers& x) { return normalizes ? unit(x, each.width()) : x; };
  const Numbers exact = expected(each.wanted());
  const Numbers of_rounded = expected(rounded(element, each.wanted()));
  const AssertionResult accurate = is_accurate(found, exact, rounded(element, of_rounded));
  return accurate ? is_near(found, of_rounded, normalizes ? kAlmostExact : 0.0) : accurate;
}

bool gathers(const RowKernel& kernel, const RowsCase& each, const Element& element) {
  const Halves halves = round_all(element, each.x);
  Halves expected;
  for (const std::int32_t index : each.indices) {
    const auto row = halves.begin() + index * each.columns;
    expected.insert(expected.end(), row, row + each.columns);
  }
  return run<std::uint16_t>(kernel, each, element, true, false) == expected;
}

void check(const RowsCase& each, const Element& element) {
  SCOPED_TRACE(std::to_string(each.rows) + " x " + std::to_string(each.columns) + ", " +
               element.name);
  EXPECT_TRUE(copies({"pooling", "copy_rows"}, each, element, false));
  EXPECT_TRUE(copies({"pooling", "copy_rows"}, each, element, true));
  EXPECT_TRUE(gathers({"pooling", "gather_rows"}, each, element));
}

TEST(Rows, AreCopiedAndGathered) {
  std::mt19937_64 random(16);
  for (const Element* element : elements()) {
    for (const int columns : kColumns) check(RowsCase(random, 19, columns), *element);
    check(RowsCase(random, 1, 8), *element);
    check(RowsCase(random, 300, 16), *element);
  }
  for (int i = 0; i < 6; ++i) {
    const int columns = 8 * (1 + static_cast<int>(random() % 200));
    check(RowsCase(random, 1 + random() % 40, columns),
          *elements()[random() % elements().size()]);
  }
}

TEST(Rows, WrongOnesAreFound) {
  for (const Element* element : elements()) {
    for (const int columns : kWrongColumns) {
      SCOPED_TRACE(columns);
      std::mt19937_64 random(17);
      const RowsCase each(random, 19, columns);
      for (const char* fault : {"too_few", "next"}) {
        const std::string name = fault;
        EXPECT_FALSE(copies(wrong("copy_rows_" + name), each, *element, false)) << name;
        EXPECT_FALSE(copies(wrong("copy_rows_" + name), each, *element, true)) << name;
        EXPECT_FALSE(gathers(wrong("gather_rows_" + name), each, *element)) << name;
      }
    }
  }
}

}  // namespace
}  // namespace fusebert::cuda::testing
