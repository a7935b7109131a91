// Where parts of a batch end, by tokens and by logits, and where their results go.
#include "backend/batch_parts.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace fusebert {
namespace {

constexpr int32_t kMask = 3;

// Sequences of 2, 3, 1 and 4 tokens, of which 1, 0, 1 and 2 are masks.
struct Sequences {
  std::vector<int32_t> ids{kMask, 5, 5, 6, 7, kMask, 5, kMask, kMask, 8};
  std::vector<int32_t> types = std::vector<int32_t>(10, 0);
  std::vector<int32_t> cu_seqlens{0, 2, 5, 6, 10};

  PackedBatch batch() const { return {ids, types, cu_seqlens}; }
};

Geometry geometry_with(HeadRows rows) {
  Geometry g;
  g.hidden_size = 16;
  g.head = Head{rows, HeadDense::kNone, false, false, 7};
  return g;
}

struct Part {
  int64_t sequences;
  std::vector<int32_t> cu_seqlens;
  EncodeOutput output;
};

std::vector<Part> parts_of(BatchParts parts, const EncodeOutput& output) {
  const Sequences sequences;
  const std::atomic<bool> cancelled{false};
  std::vector<Part> found;
  const Status status = parts.for_each(
      sequences.batch(), output, cancelled, [&](const PackedBatch& part, const EncodeOutput& out) {
        found.push_back({part.batch_size(), {part.cu_seqlens.begin(), part.cu_seqlens.end()}, out});
        return Status();
      });
  EXPECT_TRUE(status.ok()) << status.message();
  return found;
}

std::vector<int64_t> sizes_of(const std::vector<Part>& parts) {
  std::vector<int64_t> sizes;
  for (const Part& part : parts) sizes.push_back(part.sequences);
  return sizes;
}

TEST(BatchParts, EndByTokens) {
  const Geometry g = geometry_with(HeadRows::kAll);
  EXPECT_EQ(sizes_of(parts_of(BatchParts(5, g), EncodeOutput())), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(sizes_of(parts_of(BatchParts(4, g), EncodeOutput())),
            (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(sizes_of(parts_of(BatchParts(100, g), EncodeOutput())), (std::vector<int64_t>{4}));
}

TEST(BatchParts, EndByLogitsWhereThereAreAny) {
  std::vector<float> room(1000);
  const auto with = [&](HeadRows rows, int64_t most_logits, int32_t token) {
    EncodeOutput output;
    output.head_token = token;
    output.logits = room.data();
    return sizes_of(parts_of(BatchParts(100, geometry_with(rows), most_logits), output));
  };
  // Seven of each token.
  EXPECT_EQ(with(HeadRows::kAll, 7 * 5, kEveryToken), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(with(HeadRows::kAll, 1, kEveryToken), (std::vector<int64_t>{1, 1, 1, 1}));
  EXPECT_EQ(with(HeadRows::kAll, 7 * 2, kMask), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(with(HeadRows::kFirst, 7 * 3, kEveryToken), (std::vector<int64_t>{3, 1}));
  EncodeOutput pooled;
  pooled.pooling = Pooling::kMean;
  pooled.pooled = room.data();
  const BatchParts parts(100, geometry_with(HeadRows::kAll), 1);
  EXPECT_EQ(sizes_of(parts_of(parts, pooled)), (std::vector<int64_t>{4}));
}

TEST(BatchParts, ResultsGoWhereTheirSequencesWould) {
  std::vector<float> hidden(1000), pooled(1000), logits(1000), values(1000), sums(1000);
  std::vector<int32_t> columns(1000);
  EncodeOutput output;
  output.pooling = Pooling::kMean;
  output.hidden_states = hidden.data();
  output.pooled = pooled.data();
  output.head_token = kMask;
  output.logits = logits.data();
  output.top = {4, columns.data(), values.data(), sums.data()};
  const std::vector<Part> parts = parts_of(BatchParts(6, geometry_with(HeadRows::kAll)), output);
  ASSERT_EQ(sizes_of(parts), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(parts[1].cu_seqlens, (std::vector<int32_t>{0, 4}));
  const EncodeOutput& last = parts[1].output;
  EXPECT_EQ(last.hidden_states - hidden.data(), 6 * 16);
  EXPECT_EQ(last.pooled - pooled.data(), 3 * 16);
  EXPECT_EQ(last.pooler_output, nullptr);
  EXPECT_EQ(last.logits - logits.data(), 2 * 7);
  EXPECT_EQ(last.top.columns - columns.data(), 2 * 4);
  EXPECT_EQ(last.top.values - values.data(), 2 * 4);
  EXPECT_EQ(last.top.log_sum_exp - sums.data(), 2);
  EXPECT_EQ(last.top.count, 4);
}

}  // namespace
}  // namespace fusebert
