// Whole encodings, what a specification may not say, and time on hostile texts.
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <thread>

#include "helpers.h"

namespace fusebert {
namespace {

using test::Ids;

// Processor time, which a busy machine does not stretch.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Quadratic work on so much would take hours. Sanitizers make everything several times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kHostileBytes = 1'000'000;
constexpr double kHostileSeconds = 10;
#else
constexpr size_t kHostileBytes = 10'000'000;
constexpr double kHostileSeconds = 5;
#endif

TEST(Tokenizer, PairsArePackedWithTypesOffsetsAndMask) {
  const auto tokenizer = test::make(test::small_spec());
  EncodeOptions options;
  options.offsets = OffsetUnit::kUtf16;
  options.special_tokens_mask = true;
  PackedEncoding out = test::encode(*tokenizer, "hello", options);
  ASSERT_TRUE(tokenizer->encode("😀 a", "中!", options, out).ok());
  EXPECT_EQ(out.input_ids, (Ids{2, 10, 3, 2, 1, 4, 3, 17, 12, 3}));
  EXPECT_EQ(out.token_type_ids, (Ids{0, 0, 0, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(out.cu_seqlens, (Ids{0, 3, 10}));
  EXPECT_EQ(out.offsets,
            (Ids{0, 0, 0, 5, 0, 0, 0, 0, 0, 2, 3, 4, 0, 0, 0, 1, 1, 2, 0, 0}));
  EXPECT_EQ(out.special_tokens_mask, (LargeVector<uint8_t>{1, 0, 1, 1, 0, 0, 1, 0, 0, 1}));
}

TEST(Tokenizer, AddedTokensAreKeptWhole) {
  TokenizerSpec spec = test::small_spec();
  AddedToken left{"<l>", 18, false, false, true, false, false};
  AddedToken right{"<r>", 19, false, false, false, true, false};
  AddedToken word{"ab", 8, false, true, false, false, false};
  AddedToken normalized{"HÉLLO", 20, false, false, false, false, true};
  for (const AddedToken& token : {left, right, word, normalized}) {
    spec.added_tokens.push_back(token);
  }
  const auto tokenizer = test::make(std::move(spec));
  EXPECT_EQ(test::ids(*tokenizer, "[CLS]a[SEP]"), (Ids{2, 4, 3}));
  EXPECT_EQ(test::ids(*tokenizer, "[cls]"), (Ids{1, 1, 1}));
  EXPECT_EQ(test::ids(*tokenizer, "aab ab"), (Ids{4, 9, 8}));
  EXPECT_EQ(test::ids(*tokenizer, "ahéllob"), (Ids{4, 20, 5}));
  EncodeOptions options;
  options.add_special_tokens = false;
  options.offsets = OffsetUnit::kCodePoint;
  const PackedEncoding stripped = test::encode(*tokenizer, "a \u3000<l> <r>  <r>b", options);
  EXPECT_EQ(stripped.input_ids, (Ids{4, 18, 19, 19, 5}));
  EXPECT_EQ(stripped.offsets, (Ids{0, 1, 1, 6, 7, 12, 12, 15, 15, 16}));
  EXPECT_EQ(tokenizer->vocab_size(), 21);
  EXPECT_EQ(tokenizer->token_to_id("<l>"), 18);
  EXPECT_EQ(tokenizer->token_to_id("hello"), 10);
  EXPECT_EQ(tokenizer->token_to_id("nothing"), -1);
  EXPECT_EQ(tokenizer->id_to_token(20), "hello");
  EXPECT_EQ(tokenizer->token_to_id("HÉLLO"), 20);
  EXPECT_EQ(tokenizer->id_to_token(21), "");
  EXPECT_EQ(tokenizer->id_to_token(-1), "");
}

// White space that one token strips to its right may be another token's beginning.
TEST(Tokenizer, AddedTokensMayOverlapInWhiteSpace) {
  TokenizerSpec spec = test::small_spec();
  spec.added_tokens.push_back({"<r>", 18, false, false, false, true, false});
  spec.added_tokens.push_back({" x", 19, false, false, false, false, false});
  spec.added_tokens.push_back({" y", 20, false, false, true, false, false});
  const auto tokenizer = test::make(std::move(spec));
  EncodeOptions options;
  options.add_special_tokens = false;
  options.offsets = OffsetUnit::kCodePoint;
  EXPECT_EQ(test::encode(*tokenizer, "<r> x", options).offsets, (Ids{0, 4, 3, 5}));
  EXPECT_EQ(test::encode(*tokenizer, "<r>  y", options).offsets, (Ids{0, 5, 5, 6}));
}

TEST(Tokenizer, MalformedBytesAreReplaced) {
  TokenizerSpec spec = test::small_spec();
  EXPECT_EQ(test::ids(*test::make(spec), "a\xFF\xC3"), (Ids{4}));
  test::wordpiece(spec).clean_text = false;
  EXPECT_EQ(test::ids(*test::make(spec), "a \xED\xA0\x80"), (Ids{4, 1}));
}

TEST(Tokenizer, EmptyTextsHaveSpecialTokensOnly) {
  const auto tokenizer = test::make(test::small_spec());
  EXPECT_EQ(test::encode(*tokenizer, "").input_ids, (Ids{2, 3}));
  EXPECT_EQ(test::encode(*tokenizer, " \u0300\t", {}, "").input_ids, (Ids{2, 3, 3}));
  EXPECT_EQ(tokenizer->special_token_count(false), 2);
  EXPECT_EQ(tokenizer->special_token_count(true), 3);
}

TEST(Tokenizer, RefusesContradictorySpecifications) {
  const std::vector<std::function<void(TokenizerSpec&)>> changes = {
      [](TokenizerSpec& s) { s.vocab.clear(); },
      [](TokenizerSpec& s) { s.vocab.push_back("a"); },
      [](TokenizerSpec& s) { s.vocab.push_back(std::string(5000, 'x')); },
      [](TokenizerSpec& s) { test::wordpiece(s).unk_token = "<unk>"; },
      [](TokenizerSpec& s) { test::wordpiece(s).unk_token = ""; },
      [](TokenizerSpec& s) { test::wordpiece(s).max_input_chars_per_word = -1; },
      [](TokenizerSpec& s) { test::wordpiece(s).continuing_subword_prefix.assign(5000, '#'); },
      [](TokenizerSpec& s) { s.added_tokens[0].id = -1; },
      [](TokenizerSpec& s) { s.added_tokens[0].id = 5; },
      [](TokenizerSpec& s) { s.added_tokens[0].id = 1 << 30; },
      [](TokenizerSpec& s) { s.added_tokens[0].content = ""; },
      [](TokenizerSpec& s) { s.added_tokens[0].content = "new"; },
      [](TokenizerSpec& s) { s.added_tokens.push_back(s.added_tokens[0]); },
      [](TokenizerSpec& s) { s.added_tokens.push_back({"\u0301", 18, 0, 0, 0, 0, true}); },
      [](TokenizerSpec& s) { s.single_template[0].id = 99; },
      [](TokenizerSpec& s) { s.single_template[0].id = -1; },
      [](TokenizerSpec& s) { s.pair_template[1].type_id = -1; },
      [](TokenizerSpec& s) { s.single_template = s.pair_template; },
      [](TokenizerSpec& s) { s.pair_template.resize(100); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    TokenizerSpec spec = test::small_spec();
    changes[i](spec);
    const auto result = Tokenizer::create(std::move(spec));
    ASSERT_FALSE(result.ok()) << "change " << i;
    EXPECT_EQ(result.status().code(), StatusCode::kTokenizerFormat) << "change " << i;
  }
}

std::string repeat(std::string_view unit, size_t bytes = kHostileBytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) text += unit;
  return text;
}

TEST(Tokenizer, HostileTextsTakeLinearTime) {
  TokenizerSpec spec = test::small_spec();
  spec.added_tokens.push_back({"<r>", 18, false, false, true, true, false});
  spec.added_tokens.push_back({" ", 19, false, true, true, true, false});
  spec.added_tokens.push_back({"[[[[[[[[x", 20, false, false, false, false, false});
  const auto plain = test::make(test::small_spec());
  TokenizerSpec normalized = spec;
  normalized.added_tokens.push_back({"Q", 21, false, false, false, true, true});
  const std::vector<std::shared_ptr<const Tokenizer>> tokenizers = {
      plain, test::make(std::move(spec)), test::make(std::move(normalized))};
  const std::vector<std::string> texts = {
      repeat("a"),      repeat("ab "),         repeat("\u0301"),     "a" + repeat("\u0301\u0327"),
      repeat("\u0300\U0001D165"), repeat(" "), repeat("["),          repeat("[CLS]"),
      repeat("中"),     repeat("!"),           repeat("가"),         repeat("<r>   "),
      repeat("\xFF"),   repeat("\u3000"),      repeat("\U0001D15F"), repeat("q q"),
  };
  for (size_t i = 0; i < texts.size() * tokenizers.size(); ++i) {
    EncodeOptions options;
    options.offsets = OffsetUnit::kUtf16;
    const double begin = cpu_seconds();
    PackedEncoding out;
    ASSERT_TRUE(tokenizers[i / texts.size()]
                    ->encode(texts[i % texts.size()], std::nullopt, options, out)
                    .ok());
    EXPECT_LT(cpu_seconds() - begin, kHostileSeconds)
        << "text " << i % texts.size() << ", tokenizer " << i / texts.size();
  }
}

// So many words of a token each.
std::string words(std::string_view word_and_space, int count) {
  return repeat(word_and_space, word_and_space.size() * static_cast<size_t>(count));
}

// By the rule of the reference in Python: both get half, and the longer one an odd token.
TEST(Tokenizer, WholeLengthsGiveAnOddTokenToTheLongerText) {
  const auto tokenizer = test::make(test::small_spec());
  for (int max_length = 4; max_length < 12; ++max_length) {
    for (int first = 0; first < 30; ++first) {
      for (int second = 1; second < 30; ++second) {
        EncodeOptions options;
        options.truncation = Truncation::kLongestFirst;
        options.max_length = max_length;
        options.whole_lengths = true;
        const PackedEncoding out = test::encode(*tokenizer, words("hello ", first), options,
                                                words("world ", second));
        const int room = max_length - 3;
        const int shorter = std::min({first, second, room / 2});
        const int longer = std::min(std::max(first, second), room - shorter);
        const auto count = [&](int32_t id) {
          return std::count(out.input_ids.begin(), out.input_ids.end(), id);
        };
        ASSERT_EQ(count(10), first > second ? longer : shorter) << first << " " << second;
        ASSERT_EQ(count(11), first > second ? shorter : longer) << first << " " << second;
        ASSERT_EQ(out.truncated, first + second > room);
      }
    }
  }
}

TEST(Tokenizer, WholeLengthsMatterToNoOtherTruncation) {
  const auto tokenizer = test::make(test::small_spec());
  for (const Truncation truncation : {Truncation::kOnlyFirst, Truncation::kOnlySecond}) {
    EncodeOptions options;
    options.truncation = truncation;
    options.max_length = 10;
    const bool cuts_first = truncation == Truncation::kOnlyFirst;
    const std::string first = words("hello ", cuts_first ? 40 : 3);
    const std::string second = words("world ", cuts_first ? 3 : 40);
    const PackedEncoding expected = test::encode(*tokenizer, first, options, second);
    options.whole_lengths = true;
    EXPECT_EQ(test::encode(*tokenizer, first, options, second).input_ids, expected.input_ids);
  }
}

TEST(Tokenizer, AnEmptySecondTextMayBeNone) {
  const auto tokenizer = test::make(test::small_spec());
  EncodeOptions options;
  EXPECT_EQ(test::encode(*tokenizer, "hello", options, "").input_ids, (Ids{2, 10, 3, 3}));
  options.drop_empty_pairs = true;
  const PackedEncoding out = test::encode(*tokenizer, "hello", options, "");
  EXPECT_EQ(out.input_ids, (Ids{2, 10, 3}));
  EXPECT_EQ(out.truncated, 0);
  EXPECT_EQ(tokenizer->count("hello", "", options).value(), 3);
  EXPECT_EQ(test::encode(*tokenizer, "hello", options, "a").input_ids, (Ids{2, 10, 3, 4, 3}));
}

TEST(Tokenizer, TruncationStopsReadingEarly) {
  const auto tokenizer = test::make(test::small_spec());
  const std::string text = repeat("hello ");
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = 128;
  const double begin = cpu_seconds();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(test::encode(*tokenizer, text, options).input_ids.size(), 128u);
  }
  // Tokenizing all of the text each time would be a gigabyte.
  EXPECT_LT(cpu_seconds() - begin, kHostileSeconds);
}

TEST(Tokenizer, ManyThreadsUseOne) {
  const auto tokenizer = test::make(test::small_spec());
  const Ids expected = test::ids(*tokenizer, "hello abab café 中!");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        EXPECT_EQ(test::ids(*tokenizer, "hello abab café 中!"), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace fusebert
