// The whole backend on a device: against BERT in double precision by the rule of oracle.h, alone
// against in a batch to the bit, whatever the token budget; weights and activations out of range;
// refusals.
#include "cuda/cuda_backend.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "cpu/reference_bert.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"
#include "cuda/backend_support.h"
#include "cuda/device.h"
#include "cuda/faults.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

using cpu::Batch;
using cpu::Encoded;
using cpu::pick;
using cpu::Random;
using cpu::random_batch;

void append(Numbers& numbers, const Rows& rows) {
  for (const auto& row : rows) numbers.insert(numbers.end(), row.begin(), row.end());
}

Numbers numbers_of(const std::vector<float>& values, std::size_t count) {
  return Numbers(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
}

void expect_accurate(const Geometry& g, const TestCheckpoint& checkpoint, const Element& element,
                     const Batch& batch, const Encoded& encoded) {
  const NamedTensors few_bits = rounded_tensors(checkpoint.tensors, element);
  const ReferenceBert reference(g, checkpoint.tensors), low(g, few_bits, rounding_of(element));
  Numbers exact, naive, exact_pooler, naive_pooler;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Rows want = reference.encode(batch.ids_of(i), batch.types_of(i));
    const Rows rough = low.encode(batch.ids_of(i), batch.types_of(i));
    append(exact, want);
    append(naive, rough);
    if (g.has_pooler) {
      append(exact_pooler, {reference.pooler(want)});
      append(naive_pooler, {low.pooler(rough)});
    }
  }
  EXPECT_ACCURATE(numbers_of(encoded.hidden_states, exact.size()), exact, naive);
  if (!g.has_pooler) return;
  EXPECT_ACCURATE(numbers_of(encoded.pooler_output, exact_pooler.size()), exact_pooler,
                  naive_pooler);
}

// Loads a random checkpoint and holds a random batch to the rule.
void check(const Geometry& g, std::uint64_t seed, std::int64_t sequences,
           const Element& element = kFp16) {
  const TestCheckpoint checkpoint(g, seed);
  const auto backend = load(g, checkpoint, element);
  ASSERT_NE(backend, nullptr);
  EXPECT_EQ(backend->describe().dtype, element.name);
  Random random(seed);
  const Batch batch = random_batch(random, g, sequences);
  expect_accurate(g, checkpoint, element, batch, encode(*backend, batch));
}

TEST(CudaBackend, AgreesWithTheReferenceForEveryActivation) {
  for (const Activation activation : kEveryActivation) {
    Geometry g = small_geometry();
    g.hidden_act = activation;
    check(g, 1, 5);
  }
}

TEST(CudaBackend, AgreesWithTheReferenceForPositionsOfRoberta) {
  Geometry g = small_geometry();
  g.padding_idx = 1;  // an id that random sequences hold as well
  g.type_vocab_size = 1;
  check(g, 5, 6);
}

TEST(CudaBackend, AgreesWithTheReferenceWithoutTokenTypes) {
  Geometry g = small_geometry();
  g.has_token_types = false;
  check(g, 6, 4);
}

TEST(CudaBackend, AgreesWithTheReferenceForOtherShapes) {
  // hidden_size, heads, intermediate_size: heads of 16, 96, 128, 64 and 24.
  constexpr std::int64_t kShapes[][3] = {
      {16, 1, 1}, {96, 1, 33}, {128, 1, 512}, {128, 2, 200}, {264, 11, 300}};
  for (const auto& shape : kShapes) {
    SCOPED_TRACE(shape[0]);
    check(cpu::shaped(small_geometry(), shape), 3, 3);
  }
}

// Twelve layers as they are, of few words and few tokens.
TEST(CudaBackend, AgreesWithTheReferenceForBertBase) {
  if (Faults::possible() && Device::get().architecture() != 80) {
    GTEST_SKIP() << "on one virtual GPU: it takes a minute";
  }
  Geometry g = small_geometry();
  constexpr std::int64_t kBertBase[] = {768, 12, 3072};
  g = cpu::shaped(g, kBertBase);
  g.num_hidden_layers = 12;
  g.vocab_size = 50;
  g.max_position_embeddings = 9;
  check(g, 13, 2);
}

TEST(CudaBackend, AgreesWithTheReferenceInBf16) {
  if (!Device::get().has_bf16()) GTEST_SKIP() << "not below sm_80";
  check(small_geometry(), 7, 4, kBf16);
}

TEST(CudaBackend, ASequenceAloneHasTheBitsItHasInABatch) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 4);
  // The first takes all at once; the second as few at a time as it can.
  const auto all = load(g, checkpoint, kFp16, 4096), few = load(g, checkpoint, kFp16, 1);
  ASSERT_NE(all, nullptr);
  ASSERT_NE(few, nullptr);
  const auto hidden = static_cast<std::size_t>(g.hidden_size);
  Random random(5);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kMax, Pooling::kCls,
                                Pooling::kWeightedMean}) {
    const Batch batch = random_batch(random, g, 10);
    const Encoded together = encode(*all, batch, pooling, true);
    const auto same = [](const float* a, const float* b, std::size_t count) {
      return std::memcmp(a, b, count * sizeof(float)) == 0;
    };
    const Encoded again = encode(*few, batch, pooling, true);
    EXPECT_TRUE(same(again.hidden_states.data(), together.hidden_states.data(),
                     batch.ids.size() * hidden));
    EXPECT_TRUE(same(again.pooled.data(), together.pooled.data(), batch.size() * hidden));
    EXPECT_TRUE(same(again.pooler_output.data(), together.pooler_output.data(),
                     batch.size() * hidden));
    for (const std::size_t i : {std::size_t{0}, batch.size() / 2, batch.size() - 1}) {
      Batch single;
      single.add(batch.ids_of(i), batch.types_of(i));
      const Encoded alone = encode(*all, single, pooling, true);
      EXPECT_TRUE(same(alone.hidden_states.data(),
                       together.hidden_states.data() + batch.begin(i) * hidden,
                       single.ids.size() * hidden));
      EXPECT_TRUE(same(alone.pooled.data(), together.pooled.data() + i * hidden, hidden));
    }
  }
}

// A model whose second layer puts out more than fp16 holds.
struct LoudCheckpoint {
  Geometry geometry = small_geometry();
  TestCheckpoint checkpoint{geometry, 9};

  // Loads it with the tensor's numbers multiplied.
  explicit LoudCheckpoint(const std::string& name, float factor) {
    std::vector<float>& values = checkpoint.tensors.at(name);
    for (float& value : values) value *= factor;
    checkpoint.rewrite();
  }
};

TEST(CudaBackend, NamesTheLayerWhoseActivationsLeaveFp16) {
  const LoudCheckpoint loud("encoder.layer.1.output.dense.weight", 60000.0f);
  const auto backend = load(loud.geometry, loud.checkpoint);
  ASSERT_NE(backend, nullptr);
  Random random(6);
  const Batch batch = random_batch(random, loud.geometry, 3);
  std::vector<float> states(batch.ids.size() * static_cast<std::size_t>(loud.geometry.hidden_size));
  EncodeOutput output;
  output.hidden_states = states.data();
  const std::atomic<bool> cancelled{false};
  for (int i = 0; i < 2; ++i) {  // the engine goes on
    const Status status = backend->encode(batch.packed(), output, cancelled);
    EXPECT_EQ(status.code(), StatusCode::kNotFinite);
    EXPECT_NE(status.message().find("encoder.layer.1.output"), std::string::npos)
        << status.message();
  }
}

// A model in which one token alone is loud. Tokens are +p, the loud one is -p; p survives the first
// two LayerNorms, attention adds nothing, and ReLU lets only -p through, to what fp16 cannot hold.
struct OneLoudToken {
  static constexpr std::int32_t kLoud = 7;

  Geometry geometry = tiny_geometry();
  std::unique_ptr<TestCheckpoint> checkpoint;

  OneLoudToken() {
    geometry.hidden_act = Activation::kRelu;
    checkpoint = std::make_unique<TestCheckpoint>(geometry, 10);
    for (auto& [name, values] : checkpoint->tensors) {
      const bool one = name.ends_with("LayerNorm.weight");
      std::fill(values.begin(), values.end(), one ? 1.0f : 0.0f);
    }
    const auto hidden = static_cast<std::size_t>(geometry.hidden_size);
    const auto sign = [](std::size_t column) { return column % 2 == 0 ? 1.0f : -1.0f; };
    std::vector<float>& words = tensor("embeddings.word_embeddings.weight");
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = sign(i % hidden) * (i / hidden == kLoud ? -1.0f : 1.0f);
    }
    std::vector<float>& in = tensor("encoder.layer.0.intermediate.dense.weight");
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = -60.0f * sign(i % hidden);
    for (float& value : tensor("encoder.layer.0.output.dense.weight")) value = 30.0f;
  }
  std::vector<float>& tensor(const std::string& name) { return checkpoint->tensors.at(name); }
};

// Seven sequences of quiet tokens, but for those that are said to have a loud one.
Batch quiet_but(const std::vector<std::size_t>& loud) {
  Batch batch;
  for (std::size_t i = 0; i < 7; ++i) {
    std::vector<std::int32_t> ids(3 + i, 5);
    if (std::find(loud.begin(), loud.end(), i) != loud.end()) ids[2] = OneLoudToken::kLoud;
    batch.add(ids, std::vector<std::int32_t>(ids.size(), 0));
  }
  return batch;
}

BatchResult encode_pooled(Backend& backend, const Batch& batch) {
  PooledRows pooled(batch, backend.geometry());
  const std::atomic<bool> cancelled{false};
  backend.submit(batch.packed(), pooled.output, cancelled);
  return backend.wait();
}

TEST(CudaBackend, NamesTheFirstSequenceWhoseActivationsLeaveFp16) {
  OneLoudToken loud;
  loud.checkpoint->rewrite();
  for (const std::int64_t max_batch_tokens : {1, 1000}) {  // in parts, and at once
    const auto backend = load(loud.geometry, *loud.checkpoint, kFp16, max_batch_tokens);
    ASSERT_NE(backend, nullptr);
    EXPECT_TRUE(encode_pooled(*backend, quiet_but({})).status.ok());
    for (const std::size_t first : {0, 3, 6}) {
      const auto [status, sequence] = encode_pooled(*backend, quiet_but({first, 6}));
      EXPECT_EQ(status.code(), StatusCode::kNotFinite);
      EXPECT_NE(status.message().find("encoder.layer.0.output"), std::string::npos)
          << status.message();
      EXPECT_EQ(sequence, static_cast<std::int64_t>(first));
    }
    EXPECT_TRUE(encode_pooled(*backend, quiet_but({})).status.ok());
  }
}

// The search for it goes on while another batch is under way.
TEST(CudaBackend, NamesASequenceOfABatchAndLeavesTheNextBatchAlone) {
  OneLoudToken loud;
  loud.checkpoint->rewrite();
  const auto backend = load(loud.geometry, *loud.checkpoint, kFp16, 1000);
  ASSERT_NE(backend, nullptr);
  const Batch bad = quiet_but({4}), good = quiet_but({});
  const std::atomic<bool> cancelled{false};
  PooledRows first(bad, loud.geometry), second(good, loud.geometry), expected(good, loud.geometry);
  ASSERT_TRUE(backend->encode(good.packed(), expected.output, cancelled).ok());
  for (int i = 0; i < 3; ++i) {
    backend->submit(bad.packed(), first.output, cancelled);
    backend->submit(good.packed(), second.output, cancelled);
    const auto [status, sequence] = backend->wait();
    EXPECT_EQ(status.code(), StatusCode::kNotFinite);
    EXPECT_EQ(sequence, 4);
    EXPECT_TRUE(backend->wait().status.ok());
    EXPECT_EQ(second.rows, expected.rows);
    std::fill(second.rows.begin(), second.rows.end(), cpu::canary());
  }
}

TEST(CudaBackend, LooksAtWhatTheLastLayerNormWrites) {
  OneLoudToken loud;
  for (float& value : loud.tensor("encoder.layer.0.output.LayerNorm.weight")) value = 1e5f;
  for (float& value : loud.tensor("encoder.layer.0.output.dense.weight")) value = 0.0f;
  loud.checkpoint->rewrite();
  const auto backend = load(loud.geometry, *loud.checkpoint);
  ASSERT_NE(backend, nullptr);
  const Status status = encode_pooled(*backend, quiet_but({})).status;
  EXPECT_EQ(status.code(), StatusCode::kNotFinite);
  EXPECT_NE(status.message().find("the last hidden states"), std::string::npos)
      << status.message();
}

TEST(CudaBackend, NamesTheTensorThatFp16CannotHold) {
  const LoudCheckpoint loud("encoder.layer.2.intermediate.dense.weight", 1e8f);
  const auto loaded = try_load(loud.geometry, *loud.checkpoint.table, {});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), StatusCode::kTensorValue);
  EXPECT_NE(loaded.status().message().find("encoder.layer.2.intermediate.dense.weight"),
            std::string::npos)
      << loaded.status().message();
}

TEST(CudaBackend, NamesTheTensorWithANan) {
  const LoudCheckpoint loud("encoder.layer.0.attention.self.key.bias", NAN);
  const auto loaded = try_load(loud.geometry, *loud.checkpoint.table, {});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), StatusCode::kTensorValue);
  EXPECT_NE(loaded.status().message().find("attention.self.key.bias"), std::string::npos)
      << loaded.status().message();
}

TEST(CudaBackend, RefusesGeometriesWithoutKernels) {
  Geometry g = small_geometry();
  g.hidden_size = 60;
  g.has_pooler = false;
  const TestCheckpoint checkpoint(g, 1);
  const auto loaded = try_load(g, *checkpoint.table, {});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), StatusCode::kConfig);
  EXPECT_NE(loaded.status().message().find("60"), std::string::npos);
}

TEST(CudaBackend, StopsWhenCancelled) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 1);
  const auto backend = load(g, checkpoint);
  ASSERT_NE(backend, nullptr);
  Random random(2);
  const Batch batch = random_batch(random, g, 2);
  std::vector<float> pooled(batch.size() * static_cast<std::size_t>(g.hidden_size));
  EncodeOutput output;
  output.pooling = Pooling::kMean;
  output.pooled = pooled.data();
  const std::atomic<bool> cancelled{true};
  EXPECT_EQ(backend->encode(batch.packed(), output, cancelled).code(), StatusCode::kAborted);
}

}  // namespace
}  // namespace fusebert::cuda::testing
