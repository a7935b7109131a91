// Parts under way together and graphs of launches: the same bits as one by one, replayed, stopped
// and given back.
#include "cuda/encoder/device_encoder.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <set>
#include <thread>

#include "cuda/backend_support.h"
#include "cuda/faults.h"
#include "cuda/kernels/gemm/gemm.h"

namespace fusebert::cuda::testing {
namespace {

using cpu::Batch;
using cpu::Encoded;
using cpu::Random;

bool same(const float* a, const float* b, std::size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

// A model whose intermediate product has so many columns that a few hundred tokens fill the device.
Geometry wide_geometry() {
  Geometry g = tiny_geometry();
  g.intermediate_size = 2048;
  g.max_position_embeddings = 1500;
  return g;
}

// Numbers of tokens after which a GEMM of the model takes another tile.
std::set<std::int64_t> tile_boundaries(const Geometry& g, std::int64_t most) {
  const int multiprocessors = Device::get().context()->multiprocessors();
  std::set<std::int64_t> found;
  for (std::int64_t tokens = 1; tokens < most; ++tokens) {
    for (const std::int64_t columns : {g.intermediate_size, 3 * g.hidden_size, g.hidden_size}) {
      if (choose_gemm_tile(token_bucket(tokens), columns, multiprocessors) !=
          choose_gemm_tile(token_bucket(tokens + 1), columns, multiprocessors)) {
        found.insert(tokens);
      }
    }
  }
  return found;
}

// The sequences' hidden states and pooled vectors, each encoded alone.
std::vector<Encoded> encode_alone(Backend& backend, const Batch& sequences) {
  std::vector<Encoded> alone;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    Batch single;
    single.add(sequences.ids_of(i), sequences.types_of(i));
    alone.push_back(encode(backend, single));
  }
  return alone;
}

// A batch of exactly so many tokens: sequences from `first` on, as many as fit, and one more.
struct Filled {
  Batch batch;
  std::vector<std::size_t> chosen;  // of the sequences, in the batch's order

  Filled(const Batch& sequences, std::size_t first, std::int64_t tokens, Random& random,
         const Geometry& g) {
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const std::size_t index = (first + i) % sequences.size();
      const auto ids = sequences.ids_of(index);
      if (static_cast<std::int64_t>(batch.ids.size() + ids.size()) > tokens) continue;
      batch.add(ids, sequences.types_of(index));
      chosen.push_back(index);
    }
    const auto rest = tokens - static_cast<std::int64_t>(batch.ids.size());
    if (rest > 0) add_sequence(batch, random, g, rest);
  }
};

void expect_bits_of_alone(const Filled& filled, const Encoded& encoded, const Batch& sequences,
                          const std::vector<Encoded>& alone, std::size_t hidden) {
  for (std::size_t i = 0; i < filled.chosen.size(); ++i) {
    const std::size_t index = filled.chosen[i];
    const std::size_t tokens = sequences.ids_of(index).size();
    EXPECT_TRUE(same(encoded.hidden_states.data() + filled.batch.begin(i) * hidden,
                     alone[index].hidden_states.data(), tokens * hidden));
    EXPECT_TRUE(
        same(encoded.pooled.data() + i * hidden, alone[index].pooled.data(), hidden));
    EXPECT_TRUE(same(encoded.pooler_output.data() + i * hidden,
                     alone[index].pooler_output.data(), hidden));
  }
}

TEST(DeviceEncoder, BitsDoNotDependOnTilesBucketsOrGraphs) {
  constexpr std::int64_t kMostTokens = 800;
  const Geometry g = wide_geometry();
  const auto hidden = static_cast<std::size_t>(g.hidden_size);
  const TestCheckpoint checkpoint(g, 11);
  const auto backend = load(g, checkpoint, kFp16, kMostTokens + 1);
  ASSERT_NE(backend, nullptr);
  Random random(12);
  Batch sequences;
  for (std::int64_t i = 0; i < 20; ++i) {
    add_sequence(sequences, random, g, i < 10 ? 1 + i : cpu::pick(random, 11, 90));
  }
  const std::vector<Encoded> alone = encode_alone(*backend, sequences);
  std::set<std::size_t> seen;
  std::size_t first = 0;
  const auto check = [&](std::int64_t tokens) {
    SCOPED_TRACE(tokens);
    const Filled filled(sequences, first, tokens, random, g);
    seen.insert(filled.chosen.begin(), filled.chosen.end());
    expect_bits_of_alone(filled, encode(*backend, filled.batch), sequences, alone, hidden);
  };
  const std::set<std::int64_t> tiles = tile_boundaries(g, kMostTokens);
  EXPECT_FALSE(tiles.empty());  // or the model does not reach any
  for (const std::int64_t boundary : tiles) {
    first += 3;
    check(boundary);
    check(boundary + 1);
  }
  for (const std::int64_t boundary : {16, 128, 144, 256, 480}) {
    first += 3;
    check(boundary);
    // As launches, as a graph, and by the graph of a batch that was smaller.
    for (int i = 0; i < 2; ++i) check(boundary + 1);
    check(token_bucket(boundary + 1));
  }
  EXPECT_EQ(seen.size(), sequences.size());
}

// 40 sequences that a model of tiny_geometry() takes in many parts.
Batch many_parts(Random& random, const Geometry& g) {
  Batch batch;
  for (int i = 0; i < 40; ++i) {
    add_sequence(batch, random, g, cpu::pick(random, 1, g.max_position_embeddings));
  }
  return batch;
}

TEST(DeviceEncoder, PartsUnderWayTogetherDoNotDisturbEachOther) {
  const Geometry g = tiny_geometry();
  const TestCheckpoint checkpoint(g, 13);
  const auto one = load(g, checkpoint, kFp16, 1000), many = load(g, checkpoint, kFp16, 1);
  ASSERT_NE(one, nullptr);
  ASSERT_NE(many, nullptr);
  Random random(14);
  const auto hidden = static_cast<std::size_t>(g.hidden_size);
  const Batch batch = many_parts(random, g);
  for (int i = 0; i < 3; ++i) {
    const Encoded expected = encode(*one, batch), encoded = encode(*many, batch);
    EXPECT_TRUE(same(encoded.hidden_states.data(), expected.hidden_states.data(),
                     batch.ids.size() * hidden));
    EXPECT_TRUE(
        same(encoded.pooled.data(), expected.pooled.data(), batch.size() * hidden));
    EXPECT_TRUE(same(encoded.pooler_output.data(), expected.pooler_output.data(),
                     batch.size() * hidden));
  }
}

TEST(DeviceEncoder, BatchesUnderWayTogetherDoNotDisturbEachOther) {
  const Geometry g = tiny_geometry();
  const TestCheckpoint checkpoint(g, 23);
  const auto backend = load(g, checkpoint, kFp16, 60), alone = load(g, checkpoint, kFp16, 1000);
  ASSERT_NE(backend, nullptr);
  ASSERT_NE(alone, nullptr);
  EXPECT_EQ(backend->max_submitted(), 2u);
  Random random(24);
  const std::atomic<bool> cancelled{false}, is_cancelled{true};
  // In one part, in many, and in one again; every third is cancelled before it begins.
  std::deque<Batch> batches;
  std::deque<PooledRows> rows;
  const auto wait = [&](std::size_t i) {
    const Status status = backend->wait().status;
    if (i % 3 == 2) {
      EXPECT_EQ(status.code(), StatusCode::kAborted);
      EXPECT_TRUE(cpu::is_canary(rows[i].rows[0]));
      return;
    }
    EXPECT_TRUE(status.ok()) << status.message();
    PooledRows expected(batches[i], g);
    EXPECT_TRUE(alone->encode(batches[i].packed(), expected.output, cancelled).ok());
    EXPECT_TRUE(same(rows[i].rows.data(), expected.rows.data(), expected.rows.size())) << i;
  };
  for (std::size_t i = 0; i < 12; ++i) {
    Batch& batch = batches.emplace_back();
    for (int n = i % 4 == 1 ? 12 : 2; n > 0; --n) add_sequence(batch, random, g, 1 + (i + n) % 20);
    rows.emplace_back(batch, g);
    backend->submit(batch.packed(), rows[i].output, i % 3 == 2 ? is_cancelled : cancelled);
    if (i > 0) wait(i - 1);
  }
  wait(11);
}

TEST(DeviceEncoder, ABatchThatCannotStartLeavesTheOneBeforeItAlone) {
  if (!Faults::possible()) GTEST_SKIP() << "needs the virtual GPU";
  const Geometry g = tiny_geometry();
  const TestCheckpoint checkpoint(g, 25);
  const auto backend = load(g, checkpoint);
  ASSERT_NE(backend, nullptr);
  Random random(26);
  const std::atomic<bool> cancelled{false};
  Batch batch;
  add_sequence(batch, random, g, 7);
  PooledRows expected(batch, g), before(batch, g), refused(batch, g), after(batch, g);
  EXPECT_TRUE(backend->encode(batch.packed(), expected.output, cancelled).ok());
  backend->submit(batch.packed(), before.output, cancelled);
  {
    const Faults fault("launch=1");
    backend->submit(batch.packed(), refused.output, cancelled);
  }
  EXPECT_TRUE(backend->wait().status.ok());
  EXPECT_EQ(backend->wait().status.code(), StatusCode::kDeviceFailed);
  EXPECT_TRUE(backend->encode(batch.packed(), after.output, cancelled).ok());
  for (const PooledRows* each : {&before, &after}) {
    EXPECT_TRUE(same(each->rows.data(), expected.rows.data(), expected.rows.size()));
  }
  EXPECT_TRUE(cpu::is_canary(refused.rows[0]));
}

TEST(DeviceEncoder, ReplaysTheLayersOfAShapeThatComesAgain) {
  if (!Faults::possible()) GTEST_SKIP() << "needs the virtual GPU";
  const Geometry g = tiny_geometry();
  const TestCheckpoint checkpoint(g, 15);
  const auto backend = load(g, checkpoint);
  ASSERT_NE(backend, nullptr);
  Random random(16);
  const std::atomic<bool> cancelled{false};
  const auto encode_pooled = [&](std::int64_t tokens) {
    Batch batch;
    add_sequence(batch, random, g, tokens);
    PooledRows pooled(batch, g);
    return backend->encode(batch.packed(), pooled.output, cancelled);
  };
  EXPECT_TRUE(encode_pooled(5).ok());
  EXPECT_TRUE(encode_pooled(9).ok());
  {
    const Faults fault("launch=2");  // only pooling is a launch of its own
    EXPECT_TRUE(encode_pooled(16).ok());
  }
  const Faults fault("launch=2");
  EXPECT_EQ(encode_pooled(17).code(), StatusCode::kDeviceFailed);  // another bucket
}

TEST(DeviceEncoder, StopsBetweenParts) {
  Geometry g = tiny_geometry();
  g.num_hidden_layers = 4;
  const TestCheckpoint checkpoint(g, 17);
  const auto backend = load(g, checkpoint);
  ASSERT_NE(backend, nullptr);
  Random random(18);
  Batch batch;
  for (int i = 0; i < 100; ++i) add_sequence(batch, random, g, g.max_position_embeddings);
  PooledRows pooled(batch, g);
  std::atomic<bool> cancelled{false};
  const std::atomic_ref<float> first(pooled.rows[0]);
  std::thread canceller([&] {
    // As soon as the first part's results are there.
    while (cpu::is_canary(first.load())) std::this_thread::yield();
    cancelled = true;
  });
  const Status status = backend->encode(batch.packed(), pooled.output, cancelled);
  first.store(0.0f);  // the thread ends whatever came
  canceller.join();
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_TRUE(cpu::is_canary(pooled.rows.back()));
  // What was under way does not disturb what comes next, nor is it delivered then.
  cancelled = false;
  const std::vector<float> aborted = pooled.rows;
  PooledRows again(batch, g), expected(batch, g);
  const auto other = load(g, checkpoint, kFp16, 4096);
  EXPECT_TRUE(backend->encode(batch.packed(), again.output, cancelled).ok());
  EXPECT_TRUE(other->encode(batch.packed(), expected.output, cancelled).ok());
  EXPECT_TRUE(same(again.rows.data(), expected.rows.data(), again.rows.size()));
  EXPECT_TRUE(same(aborted.data(), pooled.rows.data(), aborted.size()));
}

TEST(DeviceEncoder, StopsBeforeTheResultsOfItsOnlyPart) {
  if (!Faults::possible()) GTEST_SKIP() << "a GPU would be done at once";
  const Geometry g = tiny_geometry();
  const TestCheckpoint checkpoint(g, 19);
  const auto backend = load(g, checkpoint, kFp16, 2000);
  ASSERT_NE(backend, nullptr);
  Random random(20);
  Batch batch;
  for (int i = 0; i < 100; ++i) add_sequence(batch, random, g, g.max_position_embeddings);
  PooledRows pooled(batch, g);
  std::atomic<bool> cancelled{false};
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled = true;
  });
  const Status status = backend->encode(batch.packed(), pooled.output, cancelled);
  canceller.join();
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_TRUE(cpu::is_canary(pooled.rows[0]));
}

}  // namespace
}  // namespace fusebert::cuda::testing
