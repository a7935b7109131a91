// Heads on the CPU, for every instruction set: against a naive BERT in double precision, alone
// against in a batch to the bit, at the rows of one token alone, and the largest logits.
#include <cmath>
#include <numeric>

#include "cpu/backend_test.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"
#include "cpu/test_heads.h"
#include "cpu/top_logits.h"

namespace fusebert::cpu {
namespace {

constexpr int32_t kMask = 3;

Geometry geometry_with(const Head& head) {
  Geometry g;
  g.vocab_size = 41;
  g.hidden_size = 60;  // no multiple of a vector or a panel
  g.num_attention_heads = 3;
  g.num_hidden_layers = 1;
  g.intermediate_size = 70;
  g.max_position_embeddings = 30;
  g.type_vocab_size = 2;
  g.head = head;
  return g;
}

class CpuHead : public BackendTest {};
FUSEBERT_FOR_EVERY_ISA(CpuHead);

void expect_logits(const HeadLogits& found, const Rows& want) {
  ASSERT_EQ(found.rows.size(), want.size());
  for (size_t row = 0; row < want.size(); ++row) {
    const size_t outputs = want[row].size();
    for (size_t i = 0; i < outputs; ++i) {
      ASSERT_NEAR(found.logits[row * outputs + i], want[row][i], 2e-5) << "row " << row;
    }
  }
}

TEST_P(CpuHead, AgreesWithTheReference) {
  for (const auto& [name, head] : every_head(41)) {
    SCOPED_TRACE(name);
    for (const Activation activation : kEveryActivation) {
      Geometry g = geometry_with(head);
      g.hidden_act = activation;
      const TestCheckpoint checkpoint(g, 1);
      const auto backend = load(g, checkpoint);
      Random random(1);
      const Batch batch = random_batch(random, g, 5);
      const ReferenceBert reference(g, checkpoint.tensors);
      expect_logits(encode_head(*backend, batch), reference_logits(reference, head, batch));
      const int32_t token = head.rows == HeadRows::kAll ? kMask : kEveryToken;
      expect_logits(encode_head(*backend, batch, token),
                    reference_logits(reference, head, batch, token));
      if (HasFatalFailure()) return;
      if (head.dense == HeadDense::kNone || head.dense == HeadDense::kTanh) break;
    }
  }
}

TEST_P(CpuHead, ASequenceAloneHasTheBitsItHasInABatch) {
  for (const auto& [name, head] : every_head(41)) {
    SCOPED_TRACE(name);
    const Geometry g = geometry_with(head);
    const TestCheckpoint checkpoint(g, 2);
    const auto two = load(g, checkpoint, 2), one = load(g, checkpoint, 1);
    const auto few = load(g, checkpoint, 5, /*max_batch_tokens=*/1);
    Random random(3);
    const Batch batch = random_batch(random, g, 9);
    for (const int32_t token : {kEveryToken, kMask}) {
      const HeadLogits together = encode_head(*two, batch, token, 1);
      for (Backend* other : {one.get(), few.get()}) {
        const HeadLogits again = encode_head(*other, batch, token, 1);
        EXPECT_EQ(again.top_columns, together.top_columns);
        EXPECT_TRUE(same_bits(again.logits.data(), together.logits.data(),
                              together.logits.size()));
        EXPECT_TRUE(same_bits(again.log_sum_exp.data(), together.log_sum_exp.data(),
                              together.rows.size()));
      }
      size_t row = 0;
      for (size_t i = 0; i < batch.size(); ++i) {
        Batch single;
        single.add(batch.ids_of(i), batch.types_of(i));
        const HeadLogits alone = encode_head(*two, single, token);
        EXPECT_TRUE(same_bits(alone.logits.data(),
                              together.logits.data() + row * static_cast<size_t>(head.outputs),
                              alone.logits.size()));
        row += alone.rows.size();
      }
      EXPECT_EQ(row, together.rows.size());
    }
  }
}

TEST_P(CpuHead, ATokenThatIsNotThereHasNoRows) {
  const Geometry g = geometry_with(every_head(41)[5].head);
  const TestCheckpoint checkpoint(g, 4);
  const auto backend = load(g, checkpoint);
  Batch batch;
  batch.add({5, 6, 7}, {0, 0, 0});
  EXPECT_TRUE(encode_head(*backend, batch, kMask, 3).rows.empty());
  batch.add({kMask, 6, kMask}, {0, 0, 0});
  EXPECT_EQ(encode_head(*backend, batch, kMask, 3).rows, (std::vector<int32_t>{3, 5}));
}

// Logits of more rows than are made at a time: 2^20 floats hold 256 rows of so many columns.
TEST_P(CpuHead, ManyRowsOfALargeVocabulary) {
  Geometry g = geometry_with({HeadRows::kAll, HeadDense::kNone, false, false, 4000});
  g.hidden_size = 16;
  g.num_attention_heads = 1;
  g.max_position_embeddings = 300;
  const TestCheckpoint checkpoint(g, 5);
  const auto many = load(g, checkpoint, 2, 700), few = load(g, checkpoint);
  Random random(6);
  Batch batch;
  for (int i = 0; i < 2; ++i) {
    std::vector<int32_t> ids(300);
    for (int32_t& id : ids) id = static_cast<int32_t>(pick(random, 0, g.vocab_size - 1));
    batch.add(ids, std::vector<int32_t>(ids.size(), 0));
  }
  const HeadLogits found = encode_head(*many, batch, kEveryToken, 7);
  const HeadLogits other = encode_head(*few, batch, kEveryToken, 7);
  EXPECT_TRUE(same_bits(found.logits.data(), other.logits.data(), found.logits.size()));
  EXPECT_EQ(found.top_columns, other.top_columns);
  const ReferenceBert reference(g, checkpoint.tensors);
  expect_logits(found, reference_logits(reference, *g.head, batch));
}

TEST_P(CpuHead, RefusesWhatTheModelDoesNotHave) {
  Geometry g = geometry_with({HeadRows::kAll, HeadDense::kNone, false, false, 4});
  const std::atomic<bool> cancelled{false};
  const TestCheckpoint checkpoint(g, 7);
  Random random(8);
  const Batch batch = random_batch(random, g, 1);
  std::vector<float> room(4 * batch.ids.size());
  EncodeOutput output;
  output.logits = room.data();
  for (const int32_t count : {-1, 5, TopLogits::kMost + 1}) {
    output.top.count = count;
    EXPECT_EQ(load(g, checkpoint)->encode(batch.packed(), output, cancelled).code(),
              StatusCode::kInvalidArgument);
  }
  output.top.count = 0;
  g.head.reset();
  EXPECT_EQ(load(g, checkpoint)->encode(batch.packed(), output, cancelled).code(),
            StatusCode::kInvalidArgument);
}

TEST(TopLogits, AreThoseOfASortedRow) {
  Random random(9);
  for (const int64_t columns : {1, 2, 5, 300, 4001}) {
    for (const int32_t count : {1, 2, 5, 256}) {
      if (count > columns) continue;
      std::vector<float> logits = normal(random, columns);
      for (float& each : logits) each = std::round(each * 8) / 8;  // many are equal
      std::vector<int32_t> order(static_cast<size_t>(columns));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
      });
      order.resize(static_cast<size_t>(count));
      std::vector<int32_t> found(order.size());
      std::vector<float> values(order.size());
      find_top_logits(logits.data(), columns, count, found.data(), values.data());
      EXPECT_EQ(found, order);
      double sum = 0;
      for (const float each : logits) sum += std::exp(static_cast<double>(each));
      EXPECT_NEAR(log_sum_exp(logits.data(), columns, values[0]), std::log(sum), 1e-6 * 10);
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(values[i], logits[static_cast<size_t>(found[i])]);
      }
    }
  }
}

TEST(TopLogits, NaNComesLast) {
  const std::vector<float> logits{NAN, -INFINITY, 2, NAN, 3};
  std::vector<int32_t> found(5);
  std::vector<float> values(5);
  find_top_logits(logits.data(), 5, 5, found.data(), values.data());
  EXPECT_EQ(found, (std::vector<int32_t>{4, 2, 1, 0, 3}));
}

TEST(Geometry, ATiedHeadHasTheVocabularysOutputs) {
  Geometry g = geometry_with(every_head(41)[5].head);
  EXPECT_TRUE(validate(g).ok());
  g.head->outputs += 1;
  EXPECT_EQ(validate(g).code(), StatusCode::kConfig);
  g.head->tied = false;
  EXPECT_TRUE(validate(g).ok());
  g.head->outputs = 0;
  EXPECT_EQ(validate(g).code(), StatusCode::kConfig);
}

}  // namespace
}  // namespace fusebert::cpu
