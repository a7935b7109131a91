// The short way of ASCII words against the long way, which all words go when an added token is to
// be searched in the normalised text.
#include <random>
#include <string>

#include "helpers.h"
#include "tokenizer/utf8.h"

namespace fusebert {
namespace {

const std::string kParts[] = {
    "a",     "ab",     "abab", "hello",        "HELLO",    "World",        "Caf", "1",
    "cafe",  "x9",     " ",    "  ",           "\t",       "\n",           "!",   "[",
    "-",     "é",      "É",    "中",           "\x01",     "\x7F",         "😀",  "\xFF",
    "\xC3",  "e\u0301", "가",  "\xED\xA0\x80", "!\u0301",  "\u0301",       "İ",   "\u302E",
    "\u00A0", "\u2028", "\x0B", "[CLS]",       "\x1F",     "abababababab", std::string(1, 0),
};

// Where marks, cased letters and what decomposes are; the last one is everything.
constexpr char32_t kRanges[][2] = {
    {0x80, 0x600},    {0x300, 0x370},   {0x600, 0x1000},   {0x1000, 0x2000},
    {0x2000, 0x3200}, {0xAC00, 0xAC80}, {0xF900, 0x10000}, {0x80, 0x110000},
};

void append_character(std::mt19937& random, std::string& text) {
  const auto& [from, to] = kRanges[random() % std::size(kRanges)];
  const char32_t c = from + random() % (to - from);
  char encoded[utf8::kMaxBytes];
  text.append(encoded, static_cast<size_t>(utf8::encode(c, encoded)));
}

std::string random_text(std::mt19937& random) {
  std::string text;
  const size_t parts = random() % 40;
  for (size_t i = 0; i < parts; ++i) {
    if (random() % 8 == 0) {
      text.append(random() % 40, "abAB1"[random() % 5]);
    } else if (random() % 3 == 0) {
      append_character(random, text);
    } else {
      text += kParts[random() % std::size(kParts)];
    }
    if (random() % 3 == 0) text += ' ';
  }
  return text;
}

// A token that no text has.
TokenizerSpec long_way(TokenizerSpec spec) {
  AddedToken token;
  token.content = "\U0010FFFDnowhere";
  token.id = 18;
  token.normalized = true;
  spec.added_tokens.push_back(token);
  return spec;
}

class WordPieceEncoderTest : public testing::TestWithParam<int> {
 protected:
  static TokenizerSpec spec() {
    TokenizerSpec made = test::small_spec();
    test::wordpiece(made).lowercase = (GetParam() & 1) != 0;
    test::wordpiece(made).clean_text = (GetParam() & 2) != 0;
    test::wordpiece(made).strip_accents = (GetParam() & 4) != 0;
    test::wordpiece(made).max_input_chars_per_word = (GetParam() & 8) != 0 ? 12 : 100;
    if ((GetParam() & 16) != 0) {
      // A token that is the unknown one may also be a part of words.
      test::wordpiece(made).continuing_subword_prefix = "";
      test::wordpiece(made).unk_token = "b";
      test::wordpiece(made).handle_chinese_chars = false;
    }
    return made;
  }
};

TEST_P(WordPieceEncoderTest, BothWaysAreTheSame) {
  const auto fast = test::make(spec());
  const auto slow = test::make(long_way(spec()));
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  for (int round = 0; round < 3'000; ++round) {
    const std::string text = random_text(random);
    EncodeOptions options;
    options.offsets = static_cast<OffsetUnit>(random() % 3);
    if (random() % 2 == 0) {
      options.truncation = Truncation::kLongestFirst;
      options.max_length = 3 + static_cast<int64_t>(random() % 20);
    }
    const std::string pair = random_text(random);
    const PackedEncoding ours = test::encode(*fast, text, options, pair);
    const PackedEncoding expected = test::encode(*slow, text, options, pair);
    ASSERT_EQ(ours.input_ids, expected.input_ids) << testing::PrintToString(text);
    ASSERT_EQ(ours.offsets, expected.offsets) << testing::PrintToString(text);
    ASSERT_EQ(ours.token_type_ids, expected.token_type_ids);
  }
}

INSTANTIATE_TEST_SUITE_P(Switches, WordPieceEncoderTest, testing::Range(0, 32));

// A text that ends within a block, with the end of the memory behind it.
TEST(WordPieceEncoder, ReadsNothingBehindTheText) {
  const auto tokenizer = test::make(test::small_spec());
  for (size_t length = 0; length < 70; ++length) {
    const std::string text(length, 'a');
    const std::vector<char> exact(text.begin(), text.end());
    const test::Ids ids = test::ids(*tokenizer, {exact.data(), exact.size()});
    ASSERT_EQ(ids.size(), length);
  }
}

}  // namespace
}  // namespace fusebert
