// Decoding forwards and backwards, malformed input included.
#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fusebert {
namespace {

std::vector<char32_t> decode_all(std::string_view text) {
  std::vector<char32_t> points;
  for (size_t i = 0; i < text.size();) {
    const utf8::Decoded decoded = utf8::decode(text, i);
    points.push_back(decoded.code_point);
    i += static_cast<size_t>(decoded.bytes);
  }
  return points;
}

TEST(Utf8, EveryScalarValueGoesThereAndBack) {
  for (char32_t c = 0; c < unicode::kCodePoints; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    char bytes[utf8::kMaxBytes];
    const auto length = static_cast<size_t>(utf8::encode(c, bytes));
    const std::string text = "x" + std::string(bytes, length);
    ASSERT_EQ(utf8::decode(text, 1).code_point, c);
    ASSERT_EQ(utf8::decode(text, 1).bytes, static_cast<int>(length));
    ASSERT_EQ(utf8::decode_before(text, text.size()).code_point, c);
    ASSERT_EQ(utf8::decode_before(text, text.size()).bytes, static_cast<int>(length));
  }
}

TEST(Utf8, MalformedSequencesAreOneReplacementForEachMaximalSubpart) {
  constexpr char32_t kBad = unicode::kReplacement;
  using Points = std::vector<char32_t>;
  EXPECT_EQ(decode_all("\x80"), (Points{kBad}));
  EXPECT_EQ(decode_all("\xC0\xAF"), (Points{kBad, kBad}));
  EXPECT_EQ(decode_all("\xE0\x80\xAF"), (Points{kBad, kBad, kBad}));
  EXPECT_EQ(decode_all("\xED\xA0\x80"), (Points{kBad, kBad, kBad}));
  EXPECT_EQ(decode_all("\xE2\x82"), (Points{kBad}));
  EXPECT_EQ(decode_all("\xE2\x82z"), (Points{kBad, U'z'}));
  EXPECT_EQ(decode_all("\xF0\x9F\x98"), (Points{kBad}));
  EXPECT_EQ(decode_all("\xF4\x90\x80\x80"), (Points{kBad, kBad, kBad, kBad}));
  EXPECT_EQ(decode_all("\xFF\xFE"), (Points{kBad, kBad}));
}

}  // namespace
}  // namespace fusebert
