// Heads on a device: against BERT in double precision by the rule of oracle.h, alone against in a
// batch to the bit, at the rows of one token alone, the largest logits, what is not finite, and
// weights that are there once.
#include <algorithm>

#include "cpu/test_heads.h"
#include "cpu/top_logits.h"
#include "cuda/backend_support.h"
#include "cuda/device.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

using cpu::Batch;
using cpu::HeadLogits;
using cpu::NamedHead;
using cpu::Random;
using cpu::random_batch;
using cpu::same_bits;

constexpr std::int32_t kMask = 3;

Geometry geometry_with(const Head& head, Geometry g = tiny_geometry()) {
  g.vocab_size = 45;  // no multiple of 8
  g.num_hidden_layers = 1;
  g.max_position_embeddings = 30;
  g.has_pooler = false;
  g.head = head;
  return g;
}

Numbers numbers_of(const Rows& rows) {
  Numbers numbers;
  for (const auto& row : rows) numbers.insert(numbers.end(), row.begin(), row.end());
  return numbers;
}

void check(const NamedHead& named, const Element& element,
           Activation activation = Activation::kGelu) {
  SCOPED_TRACE(named.name);
  Geometry g = geometry_with(named.head, small_geometry());
  g.hidden_act = activation;
  const TestCheckpoint checkpoint(g, 1);
  const auto backend = load(g, checkpoint, element);
  ASSERT_NE(backend, nullptr);
  Random random(2);
  const Batch batch = random_batch(random, g, 4);
  const NamedTensors few_bits = rounded_tensors(checkpoint.tensors, element);
  const ReferenceBert reference(g, checkpoint.tensors);
  const ReferenceBert low(g, few_bits, rounding_of(element));
  for (const std::int32_t token : {kEveryToken, kMask}) {
    const HeadLogits found = encode_head(*backend, batch, token);
    ASSERT_FALSE(found.rows.empty());
    EXPECT_ACCURATE(Numbers(found.logits.begin(), found.logits.end()),
                    numbers_of(reference_logits(reference, named.head, batch, token)),
                    numbers_of(reference_logits(low, named.head, batch, token)));
  }
}

TEST(CudaHead, AgreesWithTheReference) {
  for (const NamedHead& head : cpu::every_head(45)) check(head, kFp16);
}

TEST(CudaHead, AgreesWithTheReferenceForOtherActivations) {
  const std::vector<NamedHead> heads = cpu::every_head(45);
  for (const Activation each : kEveryActivation) check(heads[5], kFp16, each);
  // Which is not the hidden layers'.
  check(heads.back(), kFp16, Activation::kRelu);
}

TEST(CudaHead, AgreesWithTheReferenceInBf16) {
  if (!Device::get().has_bf16()) GTEST_SKIP() << "not below sm_80";
  check(cpu::every_head(45)[5], kBf16);
}

void expect_same(const HeadLogits& found, const HeadLogits& expected) {
  EXPECT_EQ(found.rows, expected.rows);
  ASSERT_EQ(found.logits.size(), expected.logits.size());
  EXPECT_TRUE(same_bits(found.logits.data(), expected.logits.data(), expected.logits.size()));
  EXPECT_EQ(found.top_columns, expected.top_columns);
  EXPECT_EQ(found.top_values, expected.top_values);
  EXPECT_EQ(found.log_sum_exp, expected.log_sum_exp);
}

TEST(CudaHead, ASequenceAloneHasTheBitsItHasInABatch) {
  const std::vector<NamedHead> heads = cpu::every_head(45);
  for (const std::size_t index : {0, 3, 5}) {  // one of each kind of rows, and all layers
    const auto& [name, head] = heads[index];
    SCOPED_TRACE(name);
    const Geometry g = geometry_with(head);
    const TestCheckpoint checkpoint(g, 3);
    const auto all = load(g, checkpoint, kFp16, 4096), few = load(g, checkpoint, kFp16, 1);
    ASSERT_NE(all, nullptr);
    ASSERT_NE(few, nullptr);
    Random random(4);
    const Batch batch = random_batch(random, g, 5);
    for (const std::int32_t token : {kEveryToken, kMask}) {
      const HeadLogits together = encode_head(*all, batch, token, 1);
      expect_same(encode_head(*few, batch, token, 1), together);
      std::size_t row = 0;
      for (std::size_t i = 0; i < batch.size(); ++i) {
        Batch single;
        single.add(batch.ids_of(i), batch.types_of(i));
        const HeadLogits alone = encode_head(*all, single, token, 1);
        const float* expected =
            together.logits.data() + row * static_cast<std::size_t>(head.outputs);
        EXPECT_TRUE(same_bits(alone.logits.data(), expected, alone.logits.size()));
        row += alone.rows.size();
      }
      EXPECT_EQ(row, together.rows.size());
    }
  }
}

TEST(CudaHead, TheLargestAreThoseOfTheLogits) {
  const Head head = cpu::every_head(45)[5].head;
  const Geometry g = geometry_with(head);
  const TestCheckpoint checkpoint(g, 5);
  const auto backend = load(g, checkpoint, kFp16, 4096);
  ASSERT_NE(backend, nullptr);
  Random random(6);
  const Batch batch = random_batch(random, g, 5);
  for (const std::int32_t count : {1, 7, 45}) {
    const HeadLogits found = encode_head(*backend, batch, kEveryToken, count);
    for (std::size_t row = 0; row < found.rows.size(); ++row) {
      const float* logits = found.logits.data() + row * 45;
      const auto places = static_cast<std::size_t>(count);
      std::vector<std::int32_t> columns(places);
      std::vector<float> values(places);
      cpu::find_top_logits(logits, 45, count, columns.data(), values.data());
      const auto at = static_cast<std::ptrdiff_t>(row * places);
      EXPECT_TRUE(std::equal(columns.begin(), columns.end(), found.top_columns.begin() + at));
      EXPECT_TRUE(std::equal(values.begin(), values.end(), found.top_values.begin() + at));
      EXPECT_NEAR(found.log_sum_exp[row], cpu::log_sum_exp(logits, 45, values[0]), 2e-5);
    }
  }
}

// The logits stay on the device when only the largest are wanted.
TEST(CudaHead, TheLargestComeAlone) {
  const Geometry g = geometry_with(cpu::every_head(45)[5].head);
  const TestCheckpoint checkpoint(g, 7);
  const auto backend = load(g, checkpoint, kFp16, 4096);
  ASSERT_NE(backend, nullptr);
  Random random(8);
  const Batch batch = random_batch(random, g, 5);
  const HeadLogits both = encode_head(*backend, batch, kMask, 2);
  HeadLogits top = both;
  PooledRows pooled(batch, g), expected(batch, g);
  const std::atomic<bool> cancelled{false};
  EXPECT_TRUE(backend->encode(batch.packed(), expected.output, cancelled).ok());
  for (auto* each : {&top.top_values, &top.log_sum_exp}) std::fill(each->begin(), each->end(), 0);
  std::fill(top.top_columns.begin(), top.top_columns.end(), 0);
  pooled.output.head_token = kMask;
  pooled.output.top = {2, top.top_columns.data(), top.top_values.data(), top.log_sum_exp.data()};
  EXPECT_TRUE(backend->encode(batch.packed(), pooled.output, cancelled).ok());
  expect_same(top, both);
  EXPECT_EQ(pooled.rows, expected.rows);
}

TEST(CudaHead, ATokenThatIsNotThereHasNoRows) {
  const Geometry g = geometry_with(cpu::every_head(45)[5].head);
  const TestCheckpoint checkpoint(g, 9);
  const auto backend = load(g, checkpoint);
  ASSERT_NE(backend, nullptr);
  Batch batch;
  batch.add({5, 6, 7}, {0, 0, 0});
  EXPECT_TRUE(encode_head(*backend, batch, kMask, 3).rows.empty());
  batch.add({kMask, 6, kMask}, {0, 0, 0});
  EXPECT_EQ(encode_head(*backend, batch, kMask, 3).rows, (std::vector<std::int32_t>{3, 5}));
}

TEST(CudaHead, ATiedWeightIsThereOnce) {
  const Head tied = cpu::every_head(48)[5].head;
  Head own = tied;
  own.tied = false;
  std::int64_t bytes[2] = {};
  for (const Head& head : {tied, own}) {
    Geometry g = geometry_with(head);
    g.vocab_size = 48;
    const TestCheckpoint checkpoint(g, 10);
    const auto backend = load(g, checkpoint);
    ASSERT_NE(backend, nullptr);
    bytes[head.tied ? 0 : 1] = backend->describe().weight_bytes;
  }
  EXPECT_GE(bytes[1] - bytes[0], 48 * tiny_geometry().hidden_size * 2);
}

// The status of a batch whose second sequence alone has the mask's id, with a head that is loud.
BatchResult run_loud(const std::string& tensor, float factor, const Head& head) {
  const Geometry g = geometry_with(head);
  TestCheckpoint checkpoint(g, 11);
  for (float& value : checkpoint.tensors.at(tensor)) value *= factor;
  checkpoint.rewrite();
  const auto backend = load(g, checkpoint);
  if (backend == nullptr) return {};
  Batch batch;
  batch.add({5, 6}, {0, 0});
  batch.add({5, kMask, 7}, {0, 0, 0});
  batch.add({5, 6, 8}, {0, 0, 0});
  std::vector<float> logits(static_cast<std::size_t>(head.outputs));
  EncodeOutput output;
  output.head_token = kMask;
  output.logits = logits.data();
  const std::atomic<bool> cancelled{false};
  backend->submit(batch.packed(), output, cancelled);
  return backend->wait();
}

TEST(CudaHead, NamesWhatLeavesFp16) {
  const Head head = cpu::every_head(45)[5].head;
  const BatchResult dense = run_loud("head.dense.weight", 60000.0f, head);
  EXPECT_EQ(dense.status.code(), StatusCode::kNotFinite);
  EXPECT_EQ(dense.sequence, 1);
  EXPECT_NE(dense.status.message().find("the head's dense layer"), std::string::npos)
      << dense.status.message();
  // What LayerNorm writes is read by the logits' product.
  const BatchResult logits = run_loud("head.LayerNorm.weight", 1e6f, head);
  EXPECT_EQ(logits.status.code(), StatusCode::kNotFinite);
  EXPECT_NE(logits.status.message().find("the logits"), std::string::npos)
      << logits.status.message();
  EXPECT_TRUE(run_loud("head.output.bias", 1e6f, head).status.ok());
}

TEST(CudaHead, NamesTheTensorThatFp16CannotHold) {
  const Geometry g = geometry_with(cpu::every_head(45)[0].head);
  TestCheckpoint checkpoint(g, 12);
  checkpoint.tensors.at("head.output.weight")[7] = 1e6f;
  checkpoint.rewrite();
  const auto loaded = try_load(g, *checkpoint.table, {});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), StatusCode::kTensorValue);
  EXPECT_NE(loaded.status().message().find("head.output.weight"), std::string::npos);
}

}  // namespace
}  // namespace fusebert::cuda::testing
