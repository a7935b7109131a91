// The embedding kernels: sums of three tables' rows and their LayerNorm, over seeded shapes; and
// kernels that are wrong on purpose.
#include <functional>

#include "cuda/kernels/layer_norm/layer_norm_params.h"
#include "cuda/row_support.h"

namespace fusebert::cuda::testing {
namespace {

const RowKernel kRight{"embeddings", "embeddings"};

using Ids = std::vector<std::int32_t>;

Ids random_ids(std::mt19937_64& random, std::size_t count, std::size_t most) {
  Ids ids(count);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % most);
  ids.back() = static_cast<std::int32_t>(most - 1);  // the table's last row, and of many the first
  if (count > 1) ids.front() = 0;
  return ids;
}

// Tokens and the tables that they are looked up in.
struct Case {
  int columns;
  Numbers words, positions, types;  // the latter have a row to spare, which no token names
  Ids ids, position_ids, type_ids;
  Norm norm;

  struct Sizes {
    std::size_t vocabulary, positions, types;
  };

  Case(std::mt19937_64& random, std::size_t rows, int column_count, const Sizes& sizes)
      : columns(column_count),
        words(random_numbers(random, sizes.vocabulary * width())),
        positions(random_numbers(random, (sizes.positions + 1) * width())),
        types(random_numbers(random, (sizes.types + 1) * width())),
        ids(random_ids(random, rows, sizes.vocabulary)),
        position_ids(random_ids(random, rows, sizes.positions)),
        type_ids(random_ids(random, rows, sizes.types)),
        norm(random, rows, width()) {}

  std::size_t width() const { return static_cast<std::size_t>(columns); }

  // In fp64, of the tables as `as` has them.
  Numbers embedded(const std::function<Numbers(const Numbers&)>& as) const {
    const Numbers w = as(words), p = as(positions), t = as(types);
    Numbers x(ids.size() * width());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t row = i / width(), column = i % width();
      const auto entry = [&](const Numbers& table, std::int32_t index) {
        return table[static_cast<std::size_t>(index) * width() + column];
      };
      x[i] = entry(w, ids[row]) + entry(p, position_ids[row]) + entry(t, type_ids[row]);
    }
    return normalized(x, width(), norm.gamma, norm.beta);
  }
};

::testing::AssertionResult keeps_rule(const RowKernel& kernel, const Case& each,
                                      const Element& element) {
  const Array<std::uint16_t> words(round_all(element, each.words));
  const Array<std::uint16_t> positions(round_all(element, each.positions));
  const Array<std::uint16_t> types(round_all(element, each.types));
  const Array<std::int32_t> ids(each.ids), position_ids(each.position_ids);
  const Array<std::int32_t> type_ids(each.type_ids);
  const Guarded<std::uint16_t> out(each.ids.size() * each.width());
  EmbeddingParams params;
  params.words = words.data();
  params.positions = positions.data();
  params.types = types.data();
  params.ids = ids.data();
  params.position_ids = position_ids.data();
  params.type_ids = type_ids.data();
  params.norm = each.norm.params(nullptr, out.data());
  launch(find(kernel, each.columns, element), row_shape(each.ids.size()), params);
  const Numbers naive =
      rounded(element, each.embedded([&](const Numbers& x) { return rounded(element, x); }));
  return is_accurate(values_of(element, out.download()),
                     each.embedded([](const Numbers& x) { return x; }), naive);
}

void check(const Case& each, const Element& element) {
  SCOPED_TRACE(std::to_string(each.ids.size()) + " x " + std::to_string(each.columns) + ", " +
               element.name);
  EXPECT_TRUE(keeps_rule(kRight, each, element));
  EXPECT_EQ(each.norm.overflow.download()[0], kNoOverflow);
}

TEST(Embeddings, RowsOfEveryLength) {
  std::mt19937_64 random(7);
  for (const Element* element : elements()) {
    for (const int columns : kColumns) {
      check(Case(random, 1 + random() % 20, columns, {50, 12, 2}), *element);
    }
    check(Case(random, 1, 8, {1, 1, 1}), *element);
    check(Case(random, 1, 4096, {3, 2, 1}), *element);
  }
}

TEST(Embeddings, SeededShapes) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 8; ++i) {
    const int columns = 8 * (1 + static_cast<int>(random() % 128));
    const Case::Sizes sizes{1 + random() % 300, 1 + random() % 70, 1 + random() % 4};
    check(Case(random, 1 + random() % 90, columns, sizes),
          *elements()[random() % elements().size()]);
  }
}

TEST(Embeddings, LongestSequenceOfBert) {
  std::mt19937_64 random(9);
  Case each(random, 512, 40, {1000, 512, 2});
  for (std::size_t i = 0; i < each.position_ids.size(); ++i) {
    each.position_ids[i] = static_cast<std::int32_t>(i);
  }
  check(each, kFp16);
}

TEST(Embeddings, WrongOnesAreFound) {
  for (const Element* element : elements()) {
    for (const char* name : {"embeddings_next_position", "embeddings_next_type"}) {
      for (const int columns : kWrongColumns) {
        std::mt19937_64 random(10);
        const Case each(random, 13, columns, {50, 12, 2});
        EXPECT_FALSE(keeps_rule(wrong(name), each, *element)) << name << ' ' << columns;
      }
    }
  }
}

}  // namespace
}  // namespace fusebert::cuda::testing
