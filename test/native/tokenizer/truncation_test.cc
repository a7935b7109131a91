// The strategies, against each other and a one-by-one reference.
#include "tokenizer/truncation.h"

#include "helpers.h"

namespace fusebert {
namespace {

TEST(Truncation, LongestFirstKeepsEverythingThatFits) {
  for (int64_t first = 0; first < 12; ++first) {
    for (int64_t second = 0; second < 12; ++second) {
      for (int64_t max = 1; max < 26; ++max) {
        const auto kept = truncate(Truncation::kLongestFirst, first, second, max);
        ASSERT_TRUE(kept.ok());
        const auto [a, b] = kept.value();
        ASSERT_EQ(a + b, std::min(first + second, max));
        ASSERT_LE(a, first);
        ASSERT_LE(b, second);
        // A text that lost tokens is as long as the other, but for the odd token.
        const int64_t slack = max % 2;
        ASSERT_TRUE(a == first || a + slack >= b);
        ASSERT_TRUE(b == second || b + slack >= a);
      }
    }
  }
}

TEST(Truncation, OneTextOnly) {
  const auto first = truncate(Truncation::kOnlyFirst, 10, 4, 6);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value().first, 2);
  EXPECT_EQ(first.value().second, 4);
  EXPECT_EQ(truncate(Truncation::kOnlyFirst, 10, 6, 6).status().code(),
            StatusCode::kInputTooLong);
  const auto second = truncate(Truncation::kOnlySecond, 4, 10, 6);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.value().second, 2);
  EXPECT_EQ(truncate(Truncation::kOnlySecond, 4, std::nullopt, 3).status().code(),
            StatusCode::kInputTooLong);
  EXPECT_TRUE(truncate(Truncation::kOnlySecond, 3, std::nullopt, 3).ok());
}

TEST(Truncation, NothingIsLeftOfNothing) {
  for (const auto strategy :
       {Truncation::kLongestFirst, Truncation::kOnlyFirst, Truncation::kOnlySecond}) {
    const auto kept = truncate(strategy, 3, 4, 0);
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(kept.value().first + kept.value().second, 0);
  }
}

TEST(Truncation, CountsTextsThatLostTokens) {
  const auto tokenizer = test::make(test::small_spec());
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = 4;
  EXPECT_EQ(test::encode(*tokenizer, "a b", options).truncated, 0);
  const PackedEncoding cut = test::encode(*tokenizer, "a b a", options);
  EXPECT_EQ(cut.truncated, 1);
  EXPECT_EQ(cut.input_ids, (test::Ids{2, 4, 5, 3}));
  options.add_special_tokens = false;
  EXPECT_EQ(test::encode(*tokenizer, "a b a b", options).truncated, 0);
  EXPECT_EQ(test::encode(*tokenizer, "a b a b  ", options).truncated, 0);
  EXPECT_EQ(test::encode(*tokenizer, "a b a b a", options).truncated, 1);
}

TEST(Truncation, WindowsRepeatTheStride) {
  std::vector<WindowPair> windows;
  ASSERT_TRUE(add_overflowing({3, 0}, {7, 0}, 1, windows).ok());
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].first.begin, 2);
  EXPECT_EQ(windows[1].first.begin, 4);
  EXPECT_EQ(windows[1].first.count, 3);
  EXPECT_EQ(add_overflowing({3, 0}, {7, 0}, 3, windows).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(add_overflowing({3, 2}, {3, 2}, 3, windows).ok());
  EXPECT_EQ(windows.size(), 2u);
}

TEST(Truncation, WindowsOfTwoTextsAreCombined) {
  std::vector<WindowPair> windows;
  ASSERT_TRUE(add_overflowing({2, 2}, {4, 3}, 0, windows).ok());
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].first.begin, 2);
  EXPECT_EQ(windows[0].second.begin, 0);
  EXPECT_EQ(windows[1].second.count, 1);
  EXPECT_EQ(windows[2].first.begin, 0);
  EXPECT_EQ(windows[2].second.begin, 2);
  windows.clear();
  EXPECT_EQ(add_overflowing({1, 1}, {1 << 20, 1 << 20}, 0, windows).code(),
            StatusCode::kInputTooLong);
}

TEST(Truncation, OverflowingSequencesHaveTheTemplateToo) {
  const auto tokenizer = test::make(test::small_spec());
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = 5;
  options.overflowing = true;
  options.stride = 1;
  const PackedEncoding out = test::encode(*tokenizer, "a b a b hello", options);
  EXPECT_EQ(out.input_ids, (test::Ids{2, 4, 5, 4, 3, 2, 4, 5, 10, 3}));
  EXPECT_EQ(out.cu_seqlens, (test::Ids{0, 5, 10}));
  EXPECT_EQ(out.truncated, 1);
}

TEST(Truncation, RefusesWithoutAppending) {
  const auto tokenizer = test::make(test::small_spec());
  PackedEncoding out;
  EncodeOptions options;
  options.max_length = 3;
  EXPECT_EQ(tokenizer->encode("a b", std::nullopt, options, out).code(),
            StatusCode::kInputTooLong);
  options.max_length = 1;
  EXPECT_EQ(tokenizer->encode("a", std::nullopt, options, out).code(),
            StatusCode::kInvalidArgument);
  options.truncation = Truncation::kOnlyFirst;
  options.max_length = 5;
  EXPECT_EQ(tokenizer->encode("a a a", "b b b", options, out).code(), StatusCode::kInputTooLong);
  EXPECT_TRUE(out.input_ids.empty());
  EXPECT_EQ(out.cu_seqlens.size(), 1u);
}

}  // namespace
}  // namespace fusebert
