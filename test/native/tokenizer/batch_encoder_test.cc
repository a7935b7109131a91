// A batch encoded in parts, in any order and by several threads, against the same texts in one go.
#include "tokenizer/batch_encoder.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "helpers.h"
#include "tokenizer/padded_encoding.h"

namespace fusebert {
namespace {

// Texts in the form that parts refer to.
struct Texts {
  std::string bytes;
  std::vector<int32_t> offsets{0};

  void add(const std::string& text) {
    bytes += text;
    offsets.push_back(static_cast<int32_t>(bytes.size()));
  }
  TextList list(size_t begin, size_t end) const {
    return {bytes.data(), std::span(offsets).subspan(begin, end - begin + 1)};
  }
  size_t size() const { return offsets.size() - 1; }
};

Texts make_texts(int count, int seed) {
  Texts texts;
  uint32_t state = static_cast<uint32_t>(seed);
  for (int i = 0; i < count; ++i) {
    std::string text;
    state = state * 1664525u + 1013904223u;
    for (uint32_t length = (state >> 20) % 40; length > 0; --length) {
      state = state * 1664525u + 1013904223u;
      text += "abc  x"[(state >> 24) % 6];
    }
    texts.add(text);
  }
  return texts;
}

TextPart part_of(const Texts& texts, const Texts& pairs, size_t begin, size_t end) {
  return {texts.list(begin, end), pairs.list(begin, end), static_cast<int64_t>(begin)};
}

void expect_equal(const BatchEncoding& a, const BatchEncoding& b) {
  EXPECT_EQ(a.packed.input_ids, b.packed.input_ids);
  EXPECT_EQ(a.packed.token_type_ids, b.packed.token_type_ids);
  EXPECT_EQ(a.packed.cu_seqlens, b.packed.cu_seqlens);
  EXPECT_EQ(a.packed.offsets, b.packed.offsets);
  EXPECT_EQ(a.packed.special_tokens_mask, b.packed.special_tokens_mask);
  EXPECT_EQ(a.packed.truncated, b.packed.truncated);
  EXPECT_EQ(a.samples, b.samples);
}

class BatchEncoderTest : public testing::Test {
 protected:
  BatchEncoderTest() {
    options_.truncation = Truncation::kLongestFirst;
    options_.max_length = 12;
    options_.offsets = OffsetUnit::kUtf16;
    options_.special_tokens_mask = true;
    options_.overflowing = true;
    options_.stride = 1;
  }

  BatchEncoding encode_in_order(const Texts& texts, const Texts& pairs, size_t part_size) {
    BatchEncoder encoder(tokenizer_, options_, texts.bytes.size());
    int64_t index = 0;
    for (size_t begin = 0; begin < texts.size(); begin += part_size) {
      const size_t end = std::min(begin + part_size, texts.size());
      EXPECT_TRUE(encoder.encode(index++, part_of(texts, pairs, begin, end)).ok());
    }
    return encoder.take();
  }

  const std::shared_ptr<const Tokenizer> tokenizer_ = test::make(test::small_spec());
  EncodeOptions options_;
};

TEST_F(BatchEncoderTest, PartsInOrderAreTheBatch) {
  const Texts texts = make_texts(100, 1), pairs = make_texts(100, 2);
  const BatchEncoding whole = encode_in_order(texts, pairs, 100);
  EXPECT_GT(whole.samples.size(), 100u);
  EXPECT_EQ(whole.samples.back(), 99);
  expect_equal(encode_in_order(texts, pairs, 7), whole);
}

TEST_F(BatchEncoderTest, PartsInAnyOrderAreTheBatch) {
  const Texts texts = make_texts(60, 3), pairs = make_texts(60, 4);
  const BatchEncoding whole = encode_in_order(texts, pairs, 60);
  BatchEncoder encoder(tokenizer_, options_, 0);
  for (const int64_t index : {5, 1, 0, 3, 2, 4}) {
    const auto begin = static_cast<size_t>(index) * 10;
    ASSERT_TRUE(encoder.encode(index, part_of(texts, pairs, begin, begin + 10)).ok());
  }
  expect_equal(encoder.take(), whole);
}

// Types are left out where all are 0, and written out once some are not.
TEST_F(BatchEncoderTest, PartsWithAndWithoutOtherTokenTypes) {
  const Texts texts = make_texts(30, 3), pairs = make_texts(30, 4);
  std::vector<TextPart> parts;
  LargeVector<int32_t> types;
  for (size_t begin = 0; begin < texts.size(); begin += 10) {
    parts.push_back(part_of(texts, pairs, begin, begin + 10));
    if (begin != 10) parts.back().pairs = std::nullopt;
    const Status status = parts.back().for_each([&](std::string_view text, auto pair) {
      PackedEncoding one = test::encode(*tokenizer_, text, options_, pair);
      EXPECT_EQ(one.token_type_ids.empty(), !pair.has_value());
      one.write_out_types();
      types.insert(types.end(), one.token_type_ids.begin(), one.token_type_ids.end());
      return Status();
    });
    ASSERT_TRUE(status.ok());
  }
  for (const auto& order : {std::array{0, 1, 2}, std::array{2, 1, 0}, std::array{1, 2, 0}}) {
    BatchEncoder encoder(tokenizer_, options_, texts.bytes.size());
    for (const int i : order) ASSERT_TRUE(encoder.encode(i, parts[static_cast<size_t>(i)]).ok());
    EXPECT_EQ(encoder.take().packed.token_type_ids, types);
  }
}

TEST_F(BatchEncoderTest, ThreadsTogetherMakeTheSameBatch) {
  const Texts texts = make_texts(4'000, 5), pairs = make_texts(4'000, 6);
  const BatchEncoding whole = encode_in_order(texts, pairs, 4'000);
  constexpr int64_t kParts = 400;
  for (int round = 0; round < 5; ++round) {
    BatchEncoder encoder(tokenizer_, options_, texts.bytes.size());
    std::atomic<int64_t> next{0};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int64_t i = next++; i < kParts; i = next++) {
          const auto begin = static_cast<size_t>(i) * 10;
          if (!encoder.encode(i, part_of(texts, pairs, begin, begin + 10)).ok()) ++failed;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    expect_equal(encoder.take(), whole);
  }
}

TEST_F(BatchEncoderTest, TellsWhichTextOfTheBatchFailed) {
  const Texts texts = make_texts(30, 7), pairs = make_texts(30, 8);
  options_.truncation = Truncation::kNone;
  options_.max_length = 60;
  Texts longer = texts;
  longer.bytes.clear();
  longer.offsets = {0};
  for (size_t i = 0; i < texts.size(); ++i) {
    longer.add(i == 25 ? std::string(200, ' ').replace(0, 1, "a") + std::string(100, 'a')
                       : std::string(texts.list(i, i + 1)[0]));
  }
  BatchEncoder encoder(tokenizer_, options_, 0);
  ASSERT_TRUE(encoder.encode(0, part_of(longer, pairs, 0, 20)).ok());
  const Status status = encoder.encode(1, part_of(longer, pairs, 20, 30));
  EXPECT_EQ(status.code(), StatusCode::kInputTooLong);
  EXPECT_EQ(status.message().rfind("Text 25: ", 0), 0u) << status.message();
}

TEST(PaddedEncodingTest, LaysRowsOut) {
  BatchEncoding encoding;
  encoding.packed.input_ids = {1, 2, 3};
  encoding.packed.token_type_ids = {0, 1, 1};
  encoding.packed.cu_seqlens = {0, 1, 1, 3};
  encoding.packed.special_tokens_mask = {1, 0, 1};
  encoding.packed.offsets = {0, 1, 2, 3, 4, 5};
  EncodeOptions options;
  options.special_tokens_mask = true;
  options.offsets = OffsetUnit::kUtf16;
  EXPECT_EQ(pad(encoding, options, {false, 0, 9, true}).status().code(),
            StatusCode::kInvalidArgument);
  const PaddedEncoding padded = pad(encoding, options, {true, 3, 9, true}).value();
  EXPECT_EQ(padded.rows, 3);
  EXPECT_EQ(padded.columns, 3);
  EXPECT_EQ(padded.input_ids, (LargeVector<int64_t>{1, 9, 9, 9, 9, 9, 2, 3, 9}));
  EXPECT_EQ(padded.attention_mask, (LargeVector<int64_t>{1, 0, 0, 0, 0, 0, 1, 1, 0}));
  EXPECT_EQ(padded.token_type_ids, (LargeVector<int64_t>{0, 0, 0, 0, 0, 0, 1, 1, 0}));
  EXPECT_EQ(padded.special_tokens_mask, (LargeVector<int64_t>{1, 1, 1, 1, 1, 1, 0, 1, 1}));
  EXPECT_EQ(padded.offsets, (LargeVector<int32_t>{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                  2, 3, 4, 5, 0, 0}));
  EXPECT_TRUE(pad(encoding, options, {true, 0, 9, false}).value().token_type_ids.empty());
}

TEST(PaddedEncodingTest, RefusesMoreThanAnyBatchHas) {
  BatchEncoding encoding;
  encoding.packed.cu_seqlens.assign(2'000, 0);
  const PaddedLayout layout{true, int64_t{1} << 20, 0, true};
  EXPECT_EQ(pad(encoding, EncodeOptions(), layout).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fusebert
