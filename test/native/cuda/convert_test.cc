// The kernel that converts weights: every type to every other, to the bit; every number halfway
// between two; where it writes and where not; which tensors it names; and kernels that are wrong
// on purpose.
#include <bit>
#include <cmath>
#include <functional>

#include "cuda/kernels/convert/convert_params.h"
#include "cuda/row_support.h"

namespace fusebert::cuda::testing {
namespace {

constexpr std::int32_t kPlace = 7;
constexpr std::int32_t kNowhere = std::numeric_limits<std::int32_t>::max();
constexpr unsigned kThreads = 256;
// As many as device_weights.cc launches at most; with more rows they take several each.
constexpr std::size_t kMostBlocks = 1024;

using Bits = std::vector<std::uint32_t>;

// A checkpoint's numbers, as they are there and what they are.
struct Source {
  SourceType type;
  std::vector<std::uint8_t> bytes;
  Numbers values;
};

template <class T>
std::vector<std::uint8_t> bytes_of(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
  return std::vector<std::uint8_t>(bytes, bytes + values.size() * sizeof(T));
}

Source source_of(const std::vector<float>& values) {
  return {SourceType::kF32, bytes_of(values), Numbers(values.begin(), values.end())};
}

Source source_of(SourceType type, const Halves& halves) {
  return {type, bytes_of(halves), values_of(type == SourceType::kF16 ? kFp16 : kBf16, halves)};
}

// Of any magnitude from what a 16-bit type makes zero of to what it makes infinite.
Source random_source(std::mt19937_64& random, SourceType type, std::size_t count) {
  Numbers numbers = random_numbers(random, count);
  for (double& number : numbers) number = std::ldexp(number, static_cast<int>(random() % 42) - 26);
  if (type == SourceType::kF32) return source_of(floats(numbers));
  return source_of(type, round_all(type == SourceType::kF16 ? kFp16 : kBf16, numbers));
}

// A tensor, or a part of its rows, and where it goes.
struct Case {
  Source source;
  std::int32_t rows, columns, stride;
  std::int32_t first_row = 0;
  Spread row_spread = {}, column_spread = {};
  bool to_float = false;

  std::size_t place_of(std::int32_t row, std::int32_t column) const {
    const auto spread = [](const Spread& by, std::int32_t index) {
      return static_cast<std::size_t>(index / by.size * by.stride + index % by.size);
    };
    return spread(row_spread, first_row + row) * static_cast<std::size_t>(stride) +
           spread(column_spread, column);
  }
  std::size_t out_size() const { return place_of(rows - 1, columns - 1) + 1; }
  std::size_t count() const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  }
};

// What a launch left: the result's bits, and the places that were named.
struct Found {
  Bits out;
  std::int32_t not_finite, too_large;

  bool operator==(const Found&) const = default;
};

// Any NaN is as good as another, but not as bits that nobody wrote.
template <class T>
Bits comparable(const std::vector<T>& values, const Element& element) {
  constexpr std::uint32_t kNan = 0xABCDEF01;
  const std::vector<T> unwritten = Guarded<T>::unwritten(1);
  Bits bits;
  for (const T& value : values) {
    if (std::memcmp(&value, unwritten.data(), sizeof(T)) == 0) {
      bits.push_back(std::numeric_limits<std::uint32_t>::max());
    } else if constexpr (std::is_same_v<T, float>) {
      bits.push_back(std::isnan(value) ? kNan : std::bit_cast<std::uint32_t>(value));
    } else {
      bits.push_back(std::isnan(element.value(value)) ? kNan : value);
    }
  }
  return bits;
}

// What is to be left where `store` says how a number is stored.
template <class T, class Store>
Found expected_as(const Case& each, const Element& element, const Store& store) {
  std::vector<T> out = Guarded<T>::unwritten(each.out_size());
  Found expected{{}, kNowhere, kNowhere};
  for (std::int32_t row = 0; row < each.rows; ++row) {
    for (std::int32_t column = 0; column < each.columns; ++column) {
      const double x = each.source.values[static_cast<std::size_t>(row) *
                                              static_cast<std::size_t>(each.columns) +
                                          static_cast<std::size_t>(column)];
      const T stored = store(x);
      out[each.place_of(row, column)] = stored;
      if (!std::isfinite(x)) expected.not_finite = kPlace;
      const bool held = each.to_float || std::isfinite(element.value(element.round(x)));
      if (std::isfinite(x) && !held) expected.too_large = kPlace;
    }
  }
  expected.out = comparable(out, element);
  return expected;
}

Found expected(const Case& each, const Element& element) {
  if (each.to_float) {
    return expected_as<float>(each, element, [](double x) { return static_cast<float>(x); });
  }
  return expected_as<std::uint16_t>(each, element, element.round);
}

using Change = std::function<void(ConvertParams&)>;

template <class T>
Found run_as(const Case& each, const Element& element, const std::string& file,
             const Change& change) {
  const Array<std::uint8_t> in(each.source.bytes);
  const Guarded<T> out(each.out_size());
  const Array<std::int32_t> not_finite(std::vector{kNowhere}), too_large(std::vector{kNowhere});
  ConvertParams params;
  params.in = in.data();
  params.out = out.data();
  params.not_finite = not_finite.data();
  params.too_large = too_large.data();
  params.place = kPlace;
  params.first_row = each.first_row;
  params.rows = each.rows;
  params.columns = each.columns;
  params.out_stride = each.stride;
  params.row_spread = each.row_spread;
  params.column_spread = each.column_spread;
  params.type = each.source.type;
  params.to_float = each.to_float ? 1 : 0;
  change(params);
  const auto blocks = std::min(kMostBlocks, static_cast<std::size_t>(each.rows));
  auto kernel = Kernel::find(Device::get().module(file, element.name), "convert", 0);
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  launch(kernel.value(), {static_cast<unsigned>(blocks), kThreads, 0}, params);
  return {comparable(out.download(), element), not_finite.download()[0],
          too_large.download()[0]};
}

Found run(const Case& each, const Element& element, const std::string& file = "convert",
          const Change& change = [](ConvertParams&) {}) {
  return each.to_float ? run_as<float>(each, element, file, change)
                       : run_as<std::uint16_t>(each, element, file, change);
}

constexpr SourceType kSources[] = {SourceType::kF32, SourceType::kF16, SourceType::kBF16};

std::string name_of(const Case& each, const Element& element) {
  return std::to_string(each.rows) + " x " + std::to_string(each.columns) + ", source " +
         std::to_string(static_cast<int>(each.source.type)) + " to " +
         (each.to_float ? "fp32" : element.name);
}

void check(const Case& each, const Element& element) {
  EXPECT_TRUE(run(each, element) == expected(each, element)) << name_of(each, element);
}

// From each type to each.
void check_types(std::mt19937_64& random, Case each) {
  for (const Element* element : elements()) {
    for (const SourceType type : kSources) {
      for (const bool to_float : {false, true}) {
        each.source = random_source(random, type, each.count());
        each.to_float = to_float;
        check(each, *element);
      }
    }
  }
}

TEST(Convert, SeededShapes) {
  std::mt19937_64 random(3);
  for (const auto& [rows, columns] :
       {std::pair{1, 1}, {1, 4096}, {3, 255}, {2, 257}, {1, 16385}, {1025, 1}, {2500, 3}}) {
    check_types(random, {{}, rows, columns, columns});
  }
  for (int i = 0; i < 4; ++i) {
    const auto one_to = [&](int most) { return 1 + static_cast<std::int32_t>(random() % most); };
    const std::int32_t rows = one_to(20), columns = one_to(600), gap = one_to(9) - 1;
    check_types(random, {{}, rows, columns, columns + gap, one_to(50) - 1});
  }
}

TEST(Convert, SeededHeads) {
  std::mt19937_64 random(4);
  for (const auto& [size, padded] : {std::pair{1, 32}, {24, 32}, {33, 64}, {64, 64}, {100, 128}}) {
    const std::int32_t heads = 1 + static_cast<std::int32_t>(random() % 4), all = heads * size;
    // Queries of heads, their outputs, and their biases.
    Case each{{}, all, 9, 16};
    each.row_spread = {size, padded};
    check_types(random, each);
    each = {{}, 5, all, heads * padded};
    each.column_spread = {size, padded};
    check_types(random, each);
    each = {{}, 1, all, 0};
    each.column_spread = {size, padded};
    check_types(random, each);
  }
}

// A tensor in parts, cut within a head, is the tensor.
TEST(Convert, PartsOfRows) {
  std::mt19937_64 random(5);
  for (const std::int32_t first_row : {1, 23, 24, 50, 71}) {
    Case each{{}, 72 - first_row, 10, 12, first_row};
    each.row_spread = {24, 32};
    check_types(random, each);
  }
}

TEST(Convert, PutsHeadsWhereTheyBelong) {
  Case each{source_of(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), 2, 6, 10, 1};
  each.row_spread = {2, 3};  // rows 1 and 2 to 1 and 3
  each.column_spread = {3, 4};
  each.to_float = true;
  const float none = Guarded<float>::unwritten(1)[0];
  const std::vector<float> wanted{
      none, none, none, none, none, none, none, none, none, none,  //
      1,    2,    3,    none, 4,    5,    6,    none, none, none,  //
      none, none, none, none, none, none, none, none, none, none,  //
      7,    8,    9,    none, 10,   11,   12,
  };
  EXPECT_EQ(run(each, kFp16).out, comparable(wanted, kFp16));
}

// All of them, infinities, NaN and subnormal ones among them.
TEST(Convert, EveryNumberOf16Bits) {
  Halves all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (const Element* element : elements()) {
    for (const SourceType type : {SourceType::kF16, SourceType::kBF16}) {
      for (const bool to_float : {false, true}) {
        Case each{source_of(type, all), 128, 512, 512};
        each.to_float = to_float;
        check(each, *element);
      }
    }
  }
}

// Around every number halfway between neighbours: below it to the lower, above it to the upper, and
// from there to the one whose last bit is zero. What follows the largest is infinity.
TEST(Convert, RoundsToNearestEven) {
  for (const Element* element : elements()) {
    const auto largest = static_cast<std::uint16_t>(element->name == kFp16.name ? 0x7BFF : 0x7F7F);
    ASSERT_TRUE(std::isinf(element->value(static_cast<std::uint16_t>(largest + 1))));
    std::vector<float> numbers;
    std::vector<std::uint16_t> wanted;
    for (std::uint32_t bits = 0; bits <= largest; ++bits) {
      const auto lower = static_cast<std::uint16_t>(bits);
      const auto upper = static_cast<std::uint16_t>(bits + 1);
      const double value = element->value(lower);
      const double step = bits < largest
                              ? element->value(upper) - value
                              : value - element->value(static_cast<std::uint16_t>(bits - 1));
      const auto middle = static_cast<float>(value + step / 2);
      const std::uint16_t sign = bits % 2 == 0 ? 0x8000 : 0;
      const auto add = [&](float x, std::uint16_t nearest) {
        numbers.push_back(sign == 0 ? x : -x);
        wanted.push_back(sign | nearest);
      };
      add(static_cast<float>(value), lower);
      add(std::nextafter(middle, 0.0f), lower);
      add(middle, lower % 2 == 0 ? lower : upper);
      add(std::nextafter(middle, std::numeric_limits<float>::infinity()), upper);
    }
    const auto columns = static_cast<std::int32_t>(numbers.size()) / 128;
    const Case each{source_of(numbers), 128, columns, columns};
    ASSERT_EQ(each.count(), numbers.size());
    const Found found = run(each, *element);
    EXPECT_TRUE(found.out == comparable(wanted, *element)) << element->name;
    EXPECT_EQ(found.too_large, kPlace);
    EXPECT_EQ(found.not_finite, kNowhere);
  }
}

TEST(Convert, NamesTensorsThatCannotBeHeld) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kLargest = std::numeric_limits<float>::max();
  struct Outcome {
    float x;
    bool not_finite, too_large_for_fp16, too_large_for_bf16;
  };
  const Outcome outcomes[] = {
      {65504.0f, false, false, false},
      {std::nextafter(65520.0f, 0.0f), false, false, false},  // still rounds to 65504
      {-65520.0f, false, true, false},
      {3.3895314e38f, false, true, false},  // the largest of bf16
      {-kLargest, false, true, true},
      {-kInfinity, true, false, false},
      {std::nanf(""), true, false, false},
      {std::numeric_limits<float>::denorm_min(), false, false, false},
  };
  for (const Element* element : elements()) {
    for (const bool to_float : {false, true}) {
      for (const auto& [x, not_finite, of_fp16, of_bf16] : outcomes) {
        std::vector<float> numbers(300, 1.0f);
        numbers.back() = x;
        Case each{source_of(numbers), 1, 300, 300};
        each.to_float = to_float;
        const Found found = run(each, *element);
        const bool too_large = !to_float && (element->name == kFp16.name ? of_fp16 : of_bf16);
        EXPECT_EQ(found.not_finite, not_finite ? kPlace : kNowhere) << x;
        EXPECT_EQ(found.too_large, too_large ? kPlace : kNowhere) << x;
      }
    }
  }
}

TEST(Convert, NamesTheFirstTensor) {
  const Array<std::int32_t> flags(std::vector{kNowhere, kNowhere});
  const auto at = [&](std::int32_t place) {
    return [&flags, place](ConvertParams& params) {
      params.not_finite = flags.data();
      params.too_large = flags.data() + 1;
      params.place = place;
    };
  };
  const Case bad{source_of(std::vector<float>{1.0f, std::nanf(""), 1e30f}), 1, 3, 3};
  const Case good{source_of(std::vector<float>{1.0f}), 1, 1, 1};
  for (const std::int32_t place : {7, 3, 9}) run(bad, kFp16, "convert", at(place));
  run(good, kFp16, "convert", at(1));
  EXPECT_EQ(flags.download(), (std::vector<std::int32_t>{3, 3}));
}

TEST(Convert, WrongOnesAreFound) {
  struct Fault {
    const char* name;
    const char* file;
    Change change;
  };
  const Fault faults[] = {
      {"digits cut off", "wrong_convert", [](ConvertParams&) {}},
      {"a row too few", "convert", [](ConvertParams& params) { params.rows -= 1; }},
      {"a column too few", "convert", [](ConvertParams& params) { params.columns -= 1; }},
      {"a head too long", "convert", [](ConvertParams& params) { params.row_spread.size += 1; }},
      {"padding too short", "convert",
       [](ConvertParams& params) { params.column_spread.stride -= 1; }},
      {"parts that begin at 0", "convert", [](ConvertParams& params) { params.first_row = 0; }},
      {"another type", "convert",
       [](ConvertParams& params) {
         params.type = params.type == SourceType::kF16 ? SourceType::kBF16 : SourceType::kF16;
       }},
  };
  for (const Element* element : elements()) {
    for (const SourceType type : {SourceType::kF16, SourceType::kBF16, SourceType::kF32}) {
      std::mt19937_64 random(6);
      Case each{random_source(random, type, 40 * 48), 40, 48, 64, 5};
      each.row_spread = {24, 32};
      each.column_spread = {24, 32};
      for (const auto& [name, file, change] : faults) {
        // A number of a type is what it was; of another it has to be rounded.
        const bool rounds = type == SourceType::kF32 || element->name != (
            type == SourceType::kF16 ? kFp16.name : kBf16.name);
        if (std::string(file) == "wrong_convert" && !rounds) continue;
        EXPECT_FALSE(run(each, *element, file, change) == expected(each, *element))
            << name << ", " << name_of(each, *element);
      }
    }
  }
}

}  // namespace
}  // namespace fusebert::cuda::testing
