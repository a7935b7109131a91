// The stages of normalisation and the ranges of the original text that they keep.
#include "tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fusebert {
namespace {

struct Normalized {
  std::u32string text;
  std::vector<std::pair<int32_t, int32_t>> spans;
};

Normalized normalize(std::string_view text, NormalizerOptions options = {}, bool utf16 = false) {
  Normalized result;
  Cursor cursor{utf16, 0};
  Normalizer(options).run(text, cursor, [&](char32_t c, Span span) {
    result.text.push_back(c);
    result.spans.emplace_back(span.start, span.end);
    return true;
  });
  return result;
}

using Spans = std::vector<std::pair<int32_t, int32_t>>;

TEST(Normalizer, CleansControlsAndWhiteSpace) {
  const Normalized result = normalize(std::string_view("a\0b\t\u00A0\u200Bc\uFFFD", 13));
  EXPECT_EQ(result.text, U"ab  c");
  EXPECT_EQ(result.spans, (Spans{{0, 1}, {2, 3}, {3, 4}, {4, 5}, {6, 7}}));
}

TEST(Normalizer, PutsSpacesAroundChineseCharacters) {
  const Normalized result = normalize("a中b");
  EXPECT_EQ(result.text, U"a 中 b");
  EXPECT_EQ(result.spans, (Spans{{0, 1}, {1, 2}, {1, 2}, {1, 2}, {2, 3}}));
}

TEST(Normalizer, StripsAccentsOfComposedAndDecomposedText) {
  EXPECT_EQ(normalize("Éé E\u0301").text, U"ee e");
  EXPECT_EQ(normalize("Ộ").text, U"o");
  EXPECT_EQ(normalize("각").text, U"\u1100\u1161\u11A8");
}

TEST(Normalizer, LowercaseMayGrow) {
  NormalizerOptions options;
  options.strip_accents = false;
  const Normalized result = normalize("İx", options);
  EXPECT_EQ(result.text, U"i\u0307x");
  EXPECT_EQ(result.spans, (Spans{{0, 1}, {0, 1}, {1, 2}}));
  EXPECT_EQ(normalize("ΑΣ", options).text, U"ασ");  // no final sigma
}

// U+302E (class 224) survives; U+0327 (202) and U+0300 (230) do not, yet they take part in order.
TEST(Normalizer, SurvivingMarksAreInCanonicalOrder) {
  const Normalized result = normalize("a\u302E\u302F\u0300\u0327b");
  EXPECT_EQ(result.text, U"a\u302E\u302Fb");
  EXPECT_EQ(result.spans, (Spans{{0, 1}, {2, 3}, {3, 4}, {5, 6}}));
  std::string many = "a";
  for (int i = 0; i < 100; ++i) many += "\u0300\U0001D165";
  const Normalized long_run = normalize(many);
  EXPECT_EQ(long_run.text.size(), 101u);
  EXPECT_EQ(long_run.spans[1], (std::pair<int32_t, int32_t>{1, 2}));
}

TEST(Normalizer, CountsUtf16Units) {
  const Normalized result = normalize("😀a", {}, true);
  EXPECT_EQ(result.spans, (Spans{{0, 2}, {2, 3}}));
}

TEST(Normalizer, StopsWhenTheSinkSaysSo) {
  int count = 0;
  Cursor cursor;
  EXPECT_FALSE(Normalizer({}).run("abc", cursor, [&](char32_t, Span) { return ++count < 2; }));
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace fusebert
