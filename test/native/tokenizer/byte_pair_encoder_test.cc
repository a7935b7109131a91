// Words of GPT-2's pattern, malformed UTF-8, spans and what a text may be: the short ways against
// the plain ones. The reference is asked in TypeScript.
#include <random>

#include "byte_pair_spec.h"
#include "helpers.h"
#include "tokenizer/split_pattern.h"
#include "tokenizer/well_formed.h"

namespace fusebert {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = split_pattern::word_end(text, begin);
    EXPECT_GT(end, begin);
    found.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return found;
}

using Words = std::vector<std::string>;

TEST(SplitPattern, IsThatOfGpt2) {
  EXPECT_EQ(words("I don't, he'll've 'tis"),
            (Words{"I", " don", "'t", ",", " he", "'ll", "'ve", " '", "tis"}));
  EXPECT_EQ(words("a1b  c \n\nd\t e\u00A0f "),
            (Words{"a", "1", "b", " ", " c", " \n", "\n", "d", "\t", " e", "\u00A0", "f", " "}));
  EXPECT_EQ(words("\u0442\u0435\u0441\u0442 \u00BD!\u4E2D"),
            (Words{"\u0442\u0435\u0441\u0442", " \u00BD", "!", "\u4E2D"}));
  EXPECT_EQ(words("'S'r'l'"), (Words{"'", "S", "'", "r", "'", "l", "'"}));
  EXPECT_EQ(words("''s"), (Words{"''", "s"}));
}

TEST(WellFormed, RepairsAsTextDecoderDoes) {
  std::string repaired;
  const std::string good = "ascii, \u00E9\u4E2D\U0001F600, \uFFFD";
  EXPECT_EQ(utf8::well_formed(good, repaired).data(), good.data());
  EXPECT_EQ(utf8::well_formed("12345678\xFF" "9\xE4\xB8", repaired), "12345678\uFFFD9\uFFFD");
  EXPECT_EQ(utf8::well_formed("\xED\xA0\x80", repaired), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(utf8::well_formed("", repaired), "");
}

std::string random_text(std::mt19937& random) {
  static const std::string parts[] = {
      "a",  "ab", "abcd",   "dcbaabcd", "X",          " ",   "  ",   "\n", "'s",
      "1",  "!!", "\u00E9", "\u4E2D",   "\U0001F600", "<s>", "</s>", "'"};
  std::string text;
  for (size_t i = random() % 30; i > 0; --i) text += parts[random() % std::size(parts)];
  return text;
}

// Tokens' offsets cover the text without a gap, characters that are cut aside; the texts of the
// tokens are the text.
TEST(BytePairEncoder, SpansAndTokensAreTheText) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    const auto tokenizer = test::make(test::byte_pair_spec(random, 40));
    EncodeOptions options;
    options.add_special_tokens = false;
    for (int k = 0; k < 50; ++k) {
      const std::string text = random_text(random);
      options.offsets = k % 2 == 0 ? OffsetUnit::kUtf16 : OffsetUnit::kCodePoint;
      const PackedEncoding encoding = test::encode(*tokenizer, text, options);
      EXPECT_EQ(tokenizer->decode(encoding.input_ids, {}), text);
      int32_t end = 0;
      for (size_t i = 0; i < encoding.offsets.size(); i += 2) {
        ASSERT_LE(encoding.offsets[i], end);
        ASSERT_GE(encoding.offsets[i + 1], end);
        end = encoding.offsets[i + 1];
      }
      int32_t units = 0;
      for (size_t i = 0; i < text.size();) {
        const utf8::Decoded decoded = utf8::decode(text, i);
        units += k % 2 == 0 && decoded.code_point >= 0x10000 ? 2 : 1;
        i += static_cast<size_t>(decoded.bytes);
      }
      ASSERT_EQ(end, units);
      EncodeOptions bare = options;
      bare.offsets = OffsetUnit::kNone;
      ASSERT_EQ(test::encode(*tokenizer, text, bare).input_ids, encoding.input_ids);
    }
  }
}

TEST(BytePairEncoder, MalformedTextIsTheTextWithReplacements) {
  const auto tokenizer = test::make(test::byte_pair_spec());
  EXPECT_EQ(test::ids(*tokenizer, "a\xFF\xE4\xB8z"), test::ids(*tokenizer, "a\uFFFD\uFFFDz"));
}

// A text that ends within a block, with the end of the memory behind it.
TEST(BytePairEncoder, ReadsNothingBehindTheText) {
  const auto tokenizer = test::make(test::byte_pair_spec());
  for (size_t length = 0; length < 70; ++length) {
    const std::string text(length, length % 2 == 0 ? 'a' : ' ');
    const std::vector<char> exact(text.begin(), text.end());
    ASSERT_EQ(test::ids(*tokenizer, {exact.data(), exact.size()}).size(), length);
  }
}

TEST(BytePairEncoder, DecodesBytesAndWhatIsNone) {
  TokenizerSpec spec = test::byte_pair_spec();
  spec.vocab.push_back("caf\u00E9 \u4E2D");
  const auto tokenizer = test::make(spec);
  test::Ids ids = test::ids(*tokenizer, "\u4E2D");
  EXPECT_EQ(tokenizer->decode(ids, {}), "\u4E2D");
  ids.pop_back();
  EXPECT_EQ(tokenizer->decode(ids, {}), "\uFFFD");
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{259}, {}), "caf\u00E9 \u4E2D");
}

}  // namespace
}  // namespace fusebert
