// The LayerNorm kernels: rows of every length, in place too; where NaN and infinity are found; and
// kernels that are wrong on purpose.
#include "cuda/kernels/layer_norm/layer_norm_params.h"

#include <cmath>

#include "cuda/row_support.h"

namespace fusebert::cuda::testing {
namespace {

const RowKernel kRight{"layer_norm", "layer_norm"};

// Rows with their LayerNorm's parameters.
struct Case {
  std::size_t rows;
  int columns;
  Numbers x;
  Norm norm;

  Case(std::mt19937_64& random, std::size_t row_count, int column_count)
      : rows(row_count),
        columns(column_count),
        x(random_numbers(random, rows * width())),
        norm(random, rows, width()) {
    for (double& number : x) number += 3.0;  // a mean that must not cost digits
  }

  std::size_t width() const { return static_cast<std::size_t>(columns); }
};

Halves run(const RowKernel& kernel, const Case& each, const Element& element) {
  const Array<std::uint16_t> in(round_all(element, each.x));
  const Guarded<std::uint16_t> out(each.x.size());
  launch(find(kernel, each.columns, element), row_shape(each.rows),
         each.norm.params(in.data(), out.data()));
  return out.download();
}

::testing::AssertionResult keeps_rule(const Halves& found, const Case& each,
                                      const Element& element) {
  const Norm& norm = each.norm;
  // gamma and beta are fp32 on the device, so the naive way has them unrounded as well.
  const Numbers naive = rounded(
      element, normalized(rounded(element, each.x), each.width(), norm.gamma, norm.beta));
  return is_accurate(values_of(element, found),
                     normalized(each.x, each.width(), norm.gamma, norm.beta), naive);
}

void check(const Case& each, const Element& element) {
  SCOPED_TRACE(std::to_string(each.rows) + " x " + std::to_string(each.columns) + ", " +
               element.name);
  EXPECT_TRUE(keeps_rule(run(kRight, each, element), each, element));
  EXPECT_EQ(each.norm.overflow.download()[0], kNoOverflow);
}

TEST(LayerNorm, RowsOfEveryLength) {
  std::mt19937_64 random(3);
  for (const Element* element : elements()) {
    for (const int columns : kColumns) check(Case(random, 1 + random() % 20, columns), *element);
    check(Case(random, 1, 8), *element);
    check(Case(random, 1, 4096), *element);
    check(Case(random, 513, 24), *element);
  }
}

TEST(LayerNorm, SeededShapes) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 12; ++i) {
    const int columns = 8 * (1 + static_cast<int>(random() % 512));
    check(Case(random, 1 + random() % 40, columns), *elements()[random() % elements().size()]);
  }
}

TEST(LayerNorm, InPlace) {
  std::mt19937_64 random(5);
  const Case each(random, 19, 776);
  const Array<std::uint16_t> rows(round_all(kFp16, each.x));
  launch(find(kRight, each.columns, kFp16), row_shape(each.rows),
         each.norm.params(rows.data(), rows.data()));
  EXPECT_EQ(rows.download(), run(kRight, each, kFp16));
}

// Of numbers that are all the same nothing is left but beta.
TEST(LayerNorm, ConstantRows) {
  std::mt19937_64 random(8);
  for (const Element* element : elements()) {
    for (int columns = 8; columns <= 4096; columns += columns < 512 ? 8 : 104) {
      Case each(random, 3, columns);
      for (std::size_t i = 0; i < each.x.size(); ++i) {
        each.x[i] = i / each.width() == 0 ? 3.0 : i / each.width() == 1 ? -0.3125 : 0.0;
      }
      check(each, *element);
    }
  }
}

TEST(LayerNorm, NamesThePlaceOfAnOverflow) {
  std::mt19937_64 random(6);
  for (const Element* element : elements()) {
    for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
      for (const std::size_t at : {std::size_t{0}, std::size_t{9 * 64 - 1}}) {
        Case each(random, 9, 64);
        each.x[at] = bad;
        run(kRight, each, *element);
        EXPECT_EQ(each.norm.overflow.download()[0], Norm::kPlace) << bad << " at " << at;
      }
    }
  }
}

TEST(LayerNorm, WrongOnesAreFound) {
  struct Fault {
    const char* name;
    bool (*must_be_seen)(int columns, const Element& element);
  };
  const Fault faults[] = {
      // In longer rows a share of 1 / (2 · columns) is less than what rounding takes.
      {"layer_norm_one_less",
       [](int columns, const Element& element) {
         return columns <= (element.name == kFp16.name ? 256 : 8);
       }},
      // A row that fills its lanes has nothing behind it.
      {"layer_norm_past_the_end",
       [](int columns, const Element&) { return columns != 256 && columns != 1024; }},
      {"layer_norm_chunk_dropped", [](int, const Element&) { return true; }},
  };
  for (const Element* element : elements()) {
    for (const auto& [name, must_be_seen] : faults) {
      for (const int columns : kWrongColumns) {
        if (!must_be_seen(columns, *element)) continue;
        std::mt19937_64 random(7);
        const Case each(random, 13, columns);
        EXPECT_FALSE(keeps_rule(run(wrong(name), each, *element), each, *element))
            << name << ' ' << columns << ", " << element->name;
      }
    }
  }
}

}  // namespace
}  // namespace fusebert::cuda::testing
