// Layers after the pooling: against double precision, alone against in a batch to the bit, and
// through the engine, where requests with and without them share a queue.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <future>

#include "cpu/cpu_backend.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"
#include "engine/engine.h"
#include "engine/submit.h"

namespace fusebert {
namespace {

using cpu::Random;

constexpr int64_t kHidden = 16;

Geometry small_geometry() {
  Geometry g;
  g.vocab_size = 30;
  g.hidden_size = kHidden;
  g.num_attention_heads = 1;
  g.num_hidden_layers = 1;
  g.intermediate_size = 20;
  g.max_position_embeddings = 12;
  g.type_vocab_size = 2;
  return g;
}

// Every kind, of widths that are no multiple of a panel.
std::vector<PooledLayerSpec> every_layer() {
  const auto dense = PooledLayerKind::kDense, norm = PooledLayerKind::kLayerNorm;
  return {{dense, 2 * kHidden, 45, true, PooledActivation::kTanh},
          {norm, 45, 45, false, PooledActivation::kNone},
          {dense, 45, 7, false, PooledActivation::kGelu},
          {PooledLayerKind::kNormalize, 7, 7, false, PooledActivation::kNone},
          {dense, 7, 33, true, PooledActivation::kSilu},
          {dense, 33, 5, true, PooledActivation::kRelu},
          {dense, 5, 3, true, PooledActivation::kNone}};
}

double activated(PooledActivation activation, double x) {
  switch (activation) {
    case PooledActivation::kNone: return x;
    case PooledActivation::kTanh: return std::tanh(x);
    case PooledActivation::kGelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case PooledActivation::kRelu: return std::max(x, 0.0);
    case PooledActivation::kSilu: return x / (1.0 + std::exp(-x));
  }
  return x;
}

std::vector<double> expected(const std::vector<PooledLayerSpec>& layers,
                             const NamedTensors& tensors, std::vector<double> x) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const PooledLayerSpec& layer = layers[i];
    const std::string name = "pooled." + std::to_string(i);
    const auto count = static_cast<double>(x.size());
    if (layer.kind == PooledLayerKind::kDense) {
      const std::vector<float>& weight = tensors.at(name + ".weight");
      std::vector<double> y(static_cast<size_t>(layer.outputs));
      for (size_t o = 0; o < y.size(); ++o) {
        double sum = layer.bias ? static_cast<double>(tensors.at(name + ".bias")[o]) : 0.0;
        for (size_t j = 0; j < x.size(); ++j) sum += weight[o * x.size() + j] * x[j];
        y[o] = activated(layer.activation, sum);
      }
      x = y;
      continue;
    }
    double mean = 0, squares = 0, variance = 0;
    for (const double value : x) mean += value / count;
    for (const double value : x) squares += value * value;
    for (const double value : x) variance += (value - mean) * (value - mean) / count;
    for (size_t j = 0; j < x.size(); ++j) {
      if (layer.kind == PooledLayerKind::kNormalize) {
        x[j] /= std::sqrt(squares);
      } else {
        x[j] = (x[j] - mean) / std::sqrt(variance + 1e-5) * tensors.at(name + ".weight")[j] +
               tensors.at(name + ".bias")[j];
      }
    }
  }
  return x;
}

std::unique_ptr<PooledLayers> load(const std::vector<PooledLayerSpec>& layers,
                                   const TestCheckpoint& checkpoint, int threads = 2) {
  BackendOptions options;
  options.threads = threads;
  auto loaded = load_pooled_layers(options, layers, *checkpoint.table);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded.value()) : nullptr;
}

TEST(PooledLayers, AgreeWithDoublePrecisionAndDoNotDependOnOtherRows) {
  const auto specs = every_layer();
  const TestCheckpoint checkpoint(required_tensors(specs), 3);
  const auto layers = load(specs, checkpoint), one = load(specs, checkpoint, 1);
  constexpr int64_t kRows = 75, kColumns = 2 * kHidden;
  Random random(5);
  const std::vector<float> in = cpu::normal(random, kRows * kColumns);
  const int64_t outputs = layers->outputs(kColumns);
  EXPECT_EQ(outputs, 3);
  EXPECT_TRUE(layers->takes(kColumns));
  EXPECT_FALSE(layers->takes(kColumns + 1));
  std::vector<float> out(static_cast<size_t>(kRows * outputs)), again = out, alone(3);
  layers->run(in.data(), kRows, kColumns, true, false, out.data());
  one->run(in.data(), kRows, kColumns, true, false, again.data());
  EXPECT_EQ(out, again);
  for (int64_t row = 0; row < kRows; ++row) {
    const float* x = in.data() + row * kColumns;
    const auto want = expected(specs, checkpoint.tensors, {x, x + kColumns});
    const float* found = out.data() + row * outputs;
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(found[i], want[i], 5e-6);
    layers->run(x, 1, kColumns, true, false, alone.data());
    ASSERT_EQ(std::memcmp(alone.data(), found, sizeof(float) * 3), 0);
  }
}

TEST(PooledLayers, NormalizeInTheEndAndWithoutLayers) {
  const auto specs = every_layer();
  const TestCheckpoint checkpoint(required_tensors(specs), 3);
  for (const bool with_layers : {true, false}) {
    const auto layers = load(with_layers ? specs : std::vector<PooledLayerSpec>(), checkpoint);
    Random random(6);
    const std::vector<float> in = cpu::normal(random, 2 * kHidden);
    const auto columns = static_cast<size_t>(layers->outputs(2 * kHidden));
    std::vector<float> plain(columns), unit(columns);
    layers->run(in.data(), 1, 2 * kHidden, true, false, plain.data());
    layers->run(in.data(), 1, 2 * kHidden, true, true, unit.data());
    if (!with_layers) {
      EXPECT_EQ(plain, in);
    }
    double squares = 0;
    for (const float value : plain) squares += static_cast<double>(value) * value;
    for (size_t i = 0; i < columns; ++i) EXPECT_NEAR(unit[i], plain[i] / std::sqrt(squares), 1e-6);
  }
}

TEST(PooledLayers, RefusesLayersThatDoNotFit) {
  const std::vector<PooledLayerSpec> good = every_layer();
  EXPECT_TRUE(validate(good).ok());
  std::vector<PooledLayerSpec> bad = good;
  bad[2].inputs = 44;
  EXPECT_EQ(validate(bad).code(), StatusCode::kConfig);
  bad = good;
  bad[1].outputs = 46;
  EXPECT_EQ(validate(bad).code(), StatusCode::kConfig);
  bad.assign(kMaxPooledLayers + 1, {PooledLayerKind::kNormalize, 3, 3, false, {}});
  EXPECT_EQ(validate(bad).code(), StatusCode::kConfig);
  const TestCheckpoint checkpoint(required_tensors(good), 3);
  bad = good;
  bad.back().outputs = 4;
  EXPECT_EQ(load_pooled_layers({}, bad, *checkpoint.table).status().code(),
            StatusCode::kTensorShape);
}

TEST(PooledLayers, ThroughTheEngine) {
  const Geometry g = small_geometry();
  const TestCheckpoint encoder(g, 1);
  const auto specs = every_layer();
  const TestCheckpoint checkpoint(required_tensors(specs), 3);
  BackendOptions options;
  options.threads = 1;
  options.max_batch_tokens = 1;
  auto backend = cpu::load_cpu_backend(options, g, *encoder.table);
  ASSERT_TRUE(backend.ok());
  Engine engine(std::move(backend.value()), load(specs, checkpoint));
  Random random(2);
  const cpu::Batch batch = cpu::random_batch(random, g, 9);
  OutputOptions plain;
  plain.hidden_states = true;
  plain.pooling.add(Pooling::kMean);
  plain.pooling.add(Pooling::kCls);
  OutputOptions layered = plain, unit = plain, narrow = layered;
  layered.pooled_layers = unit.normalize = true;
  narrow.pooled_layers = true;
  narrow.pooling = Pooling::kMean;
  auto all = test::submit(engine, batch, plain), through = test::submit(engine, batch, layered);
  auto normalized = test::submit(engine, batch, unit);
  auto refused = test::submit(engine, batch, narrow);
  const std::vector<float> pooled = all.get().pooled;
  const std::vector<float> found = through.get().pooled, units = normalized.get().pooled;
  ASSERT_EQ(pooled.size(), batch.size() * 2 * kHidden);
  ASSERT_EQ(found.size(), batch.size() * 3);
  std::vector<float> want(found.size()), want_units(units.size());
  const auto layers = load(specs, checkpoint);
  const auto rows = static_cast<int64_t>(batch.size());
  layers->run(pooled.data(), rows, 2 * kHidden, true, false, want.data());
  layers->run(pooled.data(), rows, 2 * kHidden, false, true, want_units.data());
  EXPECT_EQ(found, want);
  EXPECT_EQ(units, want_units);
  EXPECT_EQ(refused.get().status.code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fusebert
