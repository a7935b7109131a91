// Tokenizers and texts at random, for the sanitizers, and what holds of every encoding: counts,
// ranges, offsets inside the text, windows, decoding. FUSEBERT_FUZZ_SEED and FUSEBERT_FUZZ_SCALE
// (how many times as many) change it.
#include <algorithm>
#include <cstdlib>
#include <random>

#include "byte_pair_spec.h"
#include "helpers.h"
#include "tokenizer/utf8.h"

namespace fusebert {
namespace {

constexpr uint32_t kTokenizers = 60;
constexpr int kTextsEach = 60;

uint32_t setting(const char* name, uint32_t fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
}

class Source {
 public:
  explicit Source(uint32_t seed) : random_(seed) {}

  uint32_t below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool one_in(uint32_t count) { return below(count) == 0; }

  // Any code points, marks and Hangul more often, and sometimes bytes that are no UTF-8.
  std::string text(size_t most) {
    std::string made;
    for (size_t left = below(most + 1); left > 0; --left) append_some(made);
    return made;
  }

 private:
  void append_some(std::string& text) {
    switch (below(8)) {
      case 0: text += static_cast<char>(below(256)); break;
      case 1: append(text, 0x300 + below(0x70)); break;
      case 2: append(text, 0xAC00 + below(200)); break;
      case 3: append(text, below(0xD800)); break;
      case 4: append(text, 0xE000 + below(unicode::kCodePoints - 0xE000)); break;
      case 5: text.append(below(20), static_cast<char>('a' + below(3))); break;
      case 6: text += " \t\n.!-[]"[below(8)]; break;
      default: text += static_cast<char>("abcABC01"[below(8)]); break;
    }
  }

  static void append(std::string& text, char32_t c) {
    char encoded[utf8::kMaxBytes];
    text.append(encoded, static_cast<size_t>(utf8::encode(c, encoded)));
  }

  std::mt19937 random_;
};

void add_tokens(Source& source, TokenizerSpec& spec) {
  const size_t added = source.below(6);
  for (size_t i = 0; i < added; ++i) {
    AddedToken token;
    token.content = source.text(3);
    token.id = static_cast<int32_t>(spec.vocab.size() + i);
    token.special = source.one_in(2);
    token.single_word = source.one_in(3);
    token.lstrip = source.one_in(3);
    token.rstrip = source.one_in(3);
    token.normalized = source.one_in(2);
    spec.added_tokens.push_back(token);
  }
}

// Merges of any bytes, some of which may be missing.
TokenizerSpec random_byte_pair_spec(Source& source) {
  TokenizerSpec spec = test::byte_pair_spec();
  auto& model = std::get<BytePairSpec>(spec.model);
  spec.vocab.push_back("<unk>");
  const size_t first = 3;
  const size_t merges = source.below(300);
  for (size_t i = 0; i < merges; ++i) {
    const auto part = [&] { return first + source.below(spec.vocab.size() - first); };
    const size_t left = source.one_in(2) ? part() : static_cast<size_t>(test::id_of(spec, "a"));
    const size_t right = part();
    const std::string token = spec.vocab[left] + spec.vocab[right];
    if (token.size() > 64) continue;
    const int32_t known = test::id_of(spec, token);
    if (known < 0) spec.vocab.push_back(token);
    model.merges.push_back({static_cast<int32_t>(left), static_cast<int32_t>(right),
                            known < 0 ? static_cast<int32_t>(spec.vocab.size()) - 1 : known});
  }
  if (source.one_in(3)) model.unk_token = "<unk>";
  if (source.one_in(3)) {
    // A byte that no token has, and no merge.
    const size_t missing = first + source.below(256);
    spec.vocab[missing] = "";
    std::erase_if(model.merges, [&](const Merge& merge) {
      return static_cast<size_t>(merge.left) == missing ||
             static_cast<size_t>(merge.right) == missing;
    });
  }
  model.fuse_unk = source.one_in(2);
  model.ignore_merges = source.one_in(3);
  model.add_prefix_space = source.one_in(2);
  model.split_words = !source.one_in(4);
  model.trim_offsets = source.one_in(2);
  model.keep_first_space = source.one_in(2);
  add_tokens(source, spec);
  return spec;
}

TokenizerSpec random_spec(Source& source) {
  TokenizerSpec spec = test::small_spec();
  test::wordpiece(spec).continuing_subword_prefix = source.one_in(4) ? "" : "##";
  const size_t words = source.below(200);
  for (size_t i = 0; i < words; ++i) {
    std::string word = source.text(4);
    if (source.one_in(2)) word = "##" + word;
    const auto same = std::find(spec.vocab.begin(), spec.vocab.end(), word);
    if (same == spec.vocab.end() && !word.empty()) spec.vocab.push_back(std::move(word));
  }
  test::wordpiece(spec).clean_text = source.one_in(2);
  test::wordpiece(spec).handle_chinese_chars = source.one_in(2);
  test::wordpiece(spec).lowercase = source.one_in(2);
  if (source.one_in(2)) test::wordpiece(spec).strip_accents = source.one_in(2);
  test::wordpiece(spec).max_input_chars_per_word = source.one_in(2) ? 100 : source.below(8);
  add_tokens(source, spec);
  spec.decoder.kind = static_cast<DecoderSpec::Kind>(source.below(3));
  spec.decoder.cleanup = source.one_in(2);
  return spec;
}

EncodeOptions random_options(Source& source) {
  EncodeOptions options;
  options.truncation = static_cast<Truncation>(source.below(4));
  if (options.truncation != Truncation::kNone) options.max_length = source.below(24);
  options.add_special_tokens = !source.one_in(4);
  options.offsets = static_cast<OffsetUnit>(source.below(3));
  options.special_tokens_mask = source.one_in(2);
  options.overflowing = source.one_in(3);
  options.stride = source.below(4);
  return options;
}

void check(const Tokenizer& tokenizer, const std::string& text,
           const std::optional<std::string>& pair, const EncodeOptions& options) {
  PackedEncoding out;
  const Status status = tokenizer.encode(text, pair, options, out);
  const auto count = tokenizer.count(text, pair, options);
  if (!status.ok()) {
    ASSERT_TRUE(status.code() == StatusCode::kInvalidArgument ||
                status.code() == StatusCode::kInputTooLong);
    ASSERT_TRUE(out.input_ids.empty());
    return;
  }
  const size_t total = out.input_ids.size();
  ASSERT_TRUE(count.ok());
  ASSERT_EQ(count.value(), out.cu_seqlens[1]);
  ASSERT_EQ(static_cast<size_t>(out.cu_seqlens.back()), total);
  ASSERT_TRUE(std::is_sorted(out.cu_seqlens.begin(), out.cu_seqlens.end()));
  ASSERT_TRUE(out.token_type_ids.empty() || out.token_type_ids.size() == total);
  ASSERT_EQ(out.special_tokens_mask.size(), options.special_tokens_mask ? total : 0);
  ASSERT_EQ(out.offsets.size(), options.offsets == OffsetUnit::kNone ? 0 : 2 * total);
  const bool limited = options.truncation != Truncation::kNone && options.max_length > 0;
  for (size_t i = 1; limited && i < out.cu_seqlens.size(); ++i) {
    ASSERT_LE(out.cu_seqlens[i] - out.cu_seqlens[i - 1], options.max_length);
  }
  const auto bytes = static_cast<int32_t>(text.size() + pair.value_or("").size());
  for (size_t i = 0; i < out.offsets.size(); i += 2) {
    ASSERT_GE(out.offsets[i], 0);
    ASSERT_LE(out.offsets[i], out.offsets[i + 1]);
    ASSERT_LE(out.offsets[i + 1], bytes);
  }
  for (const int32_t id : out.input_ids) ASSERT_FALSE(tokenizer.id_to_token(id).empty());
  tokenizer.decode(out.input_ids, {options.add_special_tokens, options.overflowing});
}

template <typename MakeSpec>
void fuzz(MakeSpec&& make_spec) {
  const uint32_t seed = setting("FUSEBERT_FUZZ_SEED", 20240607);
  const uint32_t scale = setting("FUSEBERT_FUZZ_SCALE", 1);
  uint32_t made = 0;
  for (uint32_t i = 0; i < kTokenizers * scale; ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed + i));
    Source source(seed + i);
    const auto tokenizer = Tokenizer::create(make_spec(source));
    if (!tokenizer.ok()) {
      ASSERT_EQ(tokenizer.status().code(), StatusCode::kTokenizerFormat);
      continue;
    }
    ++made;
    for (int k = 0; k < kTextsEach; ++k) {
      const std::string text = source.text(source.one_in(20) ? 2'000 : 60);
      std::optional<std::string> pair;
      if (source.one_in(3)) pair = source.text(60);
      ASSERT_NO_FATAL_FAILURE(check(*tokenizer.value(), text, pair, random_options(source)));
    }
  }
  EXPECT_GT(made, kTokenizers * scale / 4);
}

TEST(TokenizerFuzz, NothingBreaksAndEverythingFits) { fuzz(random_spec); }

TEST(TokenizerFuzz, NothingBreaksInByteLevelBpe) { fuzz(random_byte_pair_spec); }

}  // namespace
}  // namespace fusebert
