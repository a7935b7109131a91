// The whole backend, for every instruction set: against a naive BERT in double precision, alone
// against in a batch to the bit, whatever the threads and the token budget; cancellation; refusals.
#include "cpu/cpu_backend.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "cpu/backend_test.h"
#include "cpu/reference_bert.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"

namespace fusebert::cpu {
namespace {

Geometry small_geometry() {
  Geometry g;
  g.vocab_size = 50;
  g.hidden_size = 60;  // three heads of 20; no multiple of a vector or a panel
  g.num_attention_heads = 3;
  g.num_hidden_layers = 3;
  g.intermediate_size = 100;
  g.max_position_embeddings = 70;
  g.type_vocab_size = 2;
  g.has_pooler = true;
  return g;
}

class CpuBackend : public BackendTest {};
FUSEBERT_FOR_EVERY_ISA(CpuBackend);

void expect_hidden_states(const Geometry& g, const TestCheckpoint& checkpoint, const Batch& batch,
                          const Encoded& encoded, double tolerance) {
  const ReferenceBert reference(g, checkpoint.tensors);
  const auto hidden = static_cast<size_t>(g.hidden_size);
  for (size_t i = 0; i < batch.size(); ++i) {
    const Rows want = reference.encode(batch.ids_of(i), batch.types_of(i));
    for (size_t t = 0; t < want.size(); ++t) {
      const float* got = encoded.hidden_states.data() + (batch.begin(i) + t) * hidden;
      for (size_t j = 0; j < hidden; ++j) {
        ASSERT_NEAR(got[j], want[t][j], tolerance) << "sequence " << i << " token " << t;
      }
    }
    if (!g.has_pooler) continue;
    const std::vector<double> pooler = reference.pooler(want);
    for (size_t j = 0; j < hidden; ++j) {
      ASSERT_NEAR(encoded.pooler_output[i * hidden + j], pooler[j], tolerance);
    }
  }
}

TEST_P(CpuBackend, AgreesWithTheReferenceForEveryActivation) {
  for (const Activation activation : kEveryActivation) {
    Geometry g = small_geometry();
    g.hidden_act = activation;
    const TestCheckpoint checkpoint(g, 1);
    const auto backend = load(g, checkpoint);
    Random random(1);
    const Batch batch = random_batch(random, g, 5);
    expect_hidden_states(g, checkpoint, batch, encode(*backend, batch), 2e-5);
    if (HasFatalFailure()) return;
  }
}

TEST_P(CpuBackend, AgreesWithTheReferenceForPositionsOfRoberta) {
  Geometry g = small_geometry();
  g.padding_idx = 1;  // an id that random sequences hold as well
  g.type_vocab_size = 1;
  const TestCheckpoint checkpoint(g, 5);
  const auto backend = load(g, checkpoint);
  Random random(5);
  const Batch batch = random_batch(random, g, 8);
  expect_hidden_states(g, checkpoint, batch, encode(*backend, batch), 2e-5);
}

TEST_P(CpuBackend, AgreesWithTheReferenceWithoutTokenTypes) {
  Geometry g = small_geometry();
  g.has_token_types = false;
  const TestCheckpoint checkpoint(g, 6);
  const auto backend = load(g, checkpoint);
  Random random(6);
  const Batch batch = random_batch(random, g, 5);
  expect_hidden_states(g, checkpoint, batch, encode(*backend, batch), 2e-5);
}

TEST_P(CpuBackend, AgreesWithTheReferenceForOtherShapes) {
  // hidden_size, heads, intermediate_size: heads of 16, 96, 128, 64 and 24.
  constexpr int64_t kShapes[][3] = {
      {16, 1, 1}, {96, 1, 33}, {128, 1, 512}, {128, 2, 200}, {72, 3, 300}};
  for (const auto& shape : kShapes) {
    const Geometry g = shaped(small_geometry(), shape);
    const TestCheckpoint checkpoint(g, 2);
    const auto backend = load(g, checkpoint);
    Random random(3);
    const Batch batch = random_batch(random, g, 3);
    expect_hidden_states(g, checkpoint, batch, encode(*backend, batch), 2e-5);
    if (HasFatalFailure()) return;
  }
}

TEST_P(CpuBackend, ASequenceAloneHasTheBitsItHasInABatch) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 4);
  const auto two = load(g, checkpoint, 2), one = load(g, checkpoint, 1);
  const auto five = load(g, checkpoint, 5, /*max_batch_tokens=*/1);
  const size_t row_bytes = static_cast<size_t>(g.hidden_size) * sizeof(float);
  const auto hidden = static_cast<size_t>(g.hidden_size);
  Random random(5);
  for (int round = 0; round < 4; ++round) {
    const Batch batch = random_batch(random, g, pick(random, 1, 12));
    const Pooling pooling = round % 2 == 0 ? Pooling::kMean : Pooling::kMax;
    const Encoded together = encode(*two, batch, pooling, true);
    for (Backend* other : {one.get(), five.get()}) {
      const Encoded again = encode(*other, batch, pooling, true);
      EXPECT_EQ(std::memcmp(again.hidden_states.data(), together.hidden_states.data(),
                            batch.ids.size() * row_bytes),
                0);
      EXPECT_EQ(std::memcmp(again.pooled.data(), together.pooled.data(), batch.size() * row_bytes),
                0);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      Batch single;
      single.add(batch.ids_of(i), batch.types_of(i));
      const Encoded alone = encode(*two, single, pooling, true);
      EXPECT_EQ(std::memcmp(alone.hidden_states.data(),
                            together.hidden_states.data() + batch.begin(i) * hidden,
                            single.ids.size() * row_bytes),
                0);
      EXPECT_EQ(std::memcmp(alone.pooled.data(), together.pooled.data() + i * hidden, row_bytes),
                0);
      EXPECT_EQ(std::memcmp(alone.pooler_output.data(), together.pooler_output.data() + i * hidden,
                            row_bytes),
                0);
    }
  }
}

constexpr Pooling kEveryPooling[] = {Pooling::kMean,        Pooling::kCls,
                                     Pooling::kMax,         Pooling::kMeanSqrtLen,
                                     Pooling::kWeightedMean, Pooling::kLastToken};

// One number of the pooled vector of the numbers at its place in the hidden states of a sequence.
double pooled_number(Pooling pooling, const std::vector<double>& column, size_t skip) {
  const size_t first = std::min(skip, column.size() - 1);
  const auto count = static_cast<double>(column.size() - first);
  double sum = 0, weighted = 0, weights = 0, most = -INFINITY;
  for (size_t t = first; t < column.size(); ++t) {
    const auto weight = static_cast<double>(t + 1);
    sum += column[t];
    weighted += weight * column[t];
    weights += weight;
    most = std::max(most, column[t]);
  }
  switch (pooling) {
    case Pooling::kNone: break;
    case Pooling::kMean: return sum / count;
    case Pooling::kCls: return column[first];
    case Pooling::kMax: return most;
    case Pooling::kMeanSqrtLen: return sum / std::sqrt(count);
    case Pooling::kWeightedMean: return weighted / weights;
    case Pooling::kLastToken: return column.back();
  }
  return NAN;
}

TEST_P(CpuBackend, PoolsAndNormalizesWhatTheHiddenStatesSay) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 6);
  const auto backend = load(g, checkpoint);
  Random random(7);
  const Batch batch = random_batch(random, g, 6);
  const auto hidden = static_cast<size_t>(g.hidden_size);
  const std::vector<float> states = encode(*backend, batch).hidden_states;
  Poolings together;
  for (const Pooling each : kEveryPooling) together.add(each);
  for (const int32_t skip : {0, 3, 1000}) {
    const Encoded every = encode(*backend, batch, together, false, skip);
    for (int kind = 0; kind < together.count; ++kind) {
      const Encoded plain = encode(*backend, batch, together[kind], false, skip);
      const Encoded normalized = encode(*backend, batch, together[kind], true, skip);
      for (size_t i = 0; i < batch.size(); ++i) {
        const size_t length = batch.begin(i + 1) - batch.begin(i);
        double squares = 0;
        for (size_t j = 0; j < hidden; ++j) {
          std::vector<double> column;
          for (size_t t = 0; t < length; ++t) {
            column.push_back(states[(batch.begin(i) + t) * hidden + j]);
          }
          const double want =
              pooled_number(together[kind], column, static_cast<size_t>(skip));
          const float found = plain.pooled[i * hidden + j];
          ASSERT_NEAR(found, want, 1e-6 + 5e-7 * std::abs(want))
              << "kind " << kind << " skip " << skip;
          const auto at = (i * Poolings::kMost + static_cast<size_t>(kind)) * hidden + j;
          ASSERT_EQ(every.pooled[at], found);
          squares += want * want;
        }
        for (size_t j = 0; j < hidden; ++j) {
          ASSERT_NEAR(normalized.pooled[i * hidden + j],
                      plain.pooled[i * hidden + j] / std::sqrt(squares), 1e-6);
        }
      }
    }
  }
  // Without pooling it is the hidden states that are normalised.
  const Encoded rows = encode(*backend, batch, Pooling::kNone, true);
  for (size_t t = 0; t < batch.ids.size(); ++t) {
    double squares = 0;
    for (size_t j = 0; j < hidden; ++j) {
      squares += std::pow(static_cast<double>(rows.hidden_states[t * hidden + j]), 2);
    }
    ASSERT_NEAR(squares, 1.0, 1e-5);
  }
}

TEST_P(CpuBackend, DoesNotNormalizeSeveralPoolings) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 6);
  Random random(7);
  const Batch batch = random_batch(random, g, 1);
  EncodeOutput output;
  output.pooling.add(Pooling::kMean);
  output.pooling.add(Pooling::kCls);
  output.normalize = true;
  std::vector<float> rows(2 * static_cast<size_t>(g.hidden_size));
  output.pooled = rows.data();
  const std::atomic<bool> cancelled{false};
  EXPECT_EQ(load(g, checkpoint)->encode(batch.packed(), output, cancelled).code(),
            StatusCode::kInvalidArgument);
}

TEST_P(CpuBackend, DescribesItself) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 8);
  const auto backend = load(g, checkpoint, 3, 10);
  const BackendDescription& description = backend->describe();
  EXPECT_EQ(description.device, "cpu");
  EXPECT_EQ(description.isa, GetParam()->isa);
  EXPECT_EQ(description.dtype, "fp32");
  EXPECT_FALSE(description.name.empty());
  EXPECT_EQ(description.threads, 3);
  EXPECT_GT(description.weight_bytes, 0);
  EXPECT_EQ(description.max_batch_tokens, g.max_position_embeddings);  // the least that works
}

TEST_P(CpuBackend, WhatIsCancelledBeforeItStartsIsAborted) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 9);
  const auto backend = load(g, checkpoint);
  Random random(9);
  const Batch batch = random_batch(random, g, 3);
  std::vector<float> pooled(batch.size() * static_cast<size_t>(g.hidden_size));
  EncodeOutput output;
  output.pooling = Pooling::kMean;
  output.pooled = pooled.data();
  const std::atomic<bool> cancelled{true};
  EXPECT_EQ(backend->encode(batch.packed(), output, cancelled).code(), StatusCode::kAborted);
  // And it goes on to work.
  encode(*backend, batch);
}

TEST_P(CpuBackend, ACancelledBatchEndsSoon) {
  Geometry g = small_geometry();
  g.hidden_size = 128;
  g.num_attention_heads = 2;
  g.intermediate_size = 512;
  g.num_hidden_layers = 256;
  const TestCheckpoint checkpoint(g, 10, /*shared_layers=*/true);
  const auto backend = load(g, checkpoint);
  Random random(10);
  const Batch batch = random_batch(random, g, 400);
  std::vector<float> pooled(batch.size() * static_cast<size_t>(g.hidden_size));
  EncodeOutput output;
  output.pooling = Pooling::kMean;
  output.pooled = pooled.data();
  std::atomic<bool> cancelled{false};
  std::chrono::steady_clock::time_point asked;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    asked = std::chrono::steady_clock::now();
    cancelled = true;
  });
  const Status status = backend->encode(batch.packed(), output, cancelled);
  const auto ended = std::chrono::steady_clock::now();
  canceller.join();
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  // Generous: the machine may be busy or emulated. The batch itself takes far longer.
  EXPECT_LT(std::chrono::duration<double>(ended - asked).count(), 2.0);
}

TEST_P(CpuBackend, RefusesThePoolerWhereThereIsNone) {
  Geometry g = small_geometry();
  g.has_pooler = false;
  const TestCheckpoint checkpoint(g, 11);
  const auto backend = load(g, checkpoint);
  Random random(11);
  const Batch batch = random_batch(random, g, 1);
  std::vector<float> row(static_cast<size_t>(g.hidden_size));
  EncodeOutput output;
  output.pooler_output = row.data();
  const std::atomic<bool> cancelled{false};
  EXPECT_EQ(backend->encode(batch.packed(), output, cancelled).code(),
            StatusCode::kInvalidArgument);
}

TEST_P(CpuBackend, RefusesNonsenseOptionsAndWeights) {
  const Geometry g = small_geometry();
  const TestCheckpoint checkpoint(g, 12);
  BackendOptions options;
  options.threads = -1;
  EXPECT_EQ(load_cpu_backend(options, g, *checkpoint.table).status().code(),
            StatusCode::kInvalidArgument);
  options.threads = 2;
  options.max_batch_tokens = -1;
  EXPECT_EQ(load_cpu_backend(options, g, *checkpoint.table).status().code(),
            StatusCode::kInvalidArgument);
  options.max_batch_tokens = 0;
  Geometry deeper = g;
  deeper.num_hidden_layers += 1;
  EXPECT_EQ(load_cpu_backend(options, deeper, *checkpoint.table).status().code(),
            StatusCode::kTensorMissing);
  setenv(kIsaVariable, "sse9", 1);
  EXPECT_EQ(load_cpu_backend(options, g, *checkpoint.table).status().code(),
            StatusCode::kDeviceUnavailable);
}

// BERT-Base's depth and widths; the vocabulary is small and the layers are the same one.
class CpuBackendBertBase : public CpuBackend {};
FUSEBERT_FOR_EVERY_ISA(CpuBackendBertBase);

TEST_P(CpuBackendBertBase, HiddenStatesAreWithinTheTolerance) {
  Geometry g;
  g.vocab_size = 100;
  g.hidden_size = 768;
  g.num_attention_heads = 12;
  g.num_hidden_layers = 12;
  g.intermediate_size = 3072;
  g.max_position_embeddings = 32;
  g.type_vocab_size = 2;
  g.has_pooler = true;
  const TestCheckpoint checkpoint(g, 13, /*shared_layers=*/true);
  const auto backend = load(g, checkpoint);
  Batch batch;
  batch.add({2, 17, 99, 3, 50, 61, 7, 8, 9}, {0, 0, 0, 0, 0, 1, 1, 1, 1});
  batch.add({2, 3}, {0, 0});
  expect_hidden_states(g, checkpoint, batch, encode(*backend, batch), 5e-5);
}

TEST(CpuInfo, NamesTheProcessorAndWhatWouldRun) {
  const auto info = cpu_info();
  ASSERT_TRUE(info.ok());
  EXPECT_FALSE(info.value().name.empty());
  EXPECT_GE(info.value().threads, 1);
  ASSERT_EQ(info.value().isas.size(), available_kernels().size());
  EXPECT_EQ(info.value().isas.back(), "scalar");
}

}  // namespace
}  // namespace fusebert::cpu
