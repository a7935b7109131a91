// Small models on the tests' device.
#pragma once

#include <memory>

#include "cpu/reference_bert.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"
#include "cuda/cuda_backend.h"
#include "cuda/device.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {

inline Geometry small_geometry() {
  Geometry g;
  g.vocab_size = 50;
  g.hidden_size = 72;  // three heads of 24, padded to 32
  g.num_attention_heads = 3;
  g.num_hidden_layers = 3;
  g.intermediate_size = 104;
  g.max_position_embeddings = 150;  // long attention too
  g.type_vocab_size = 2;
  g.has_pooler = true;
  return g;
}

// As little as a model can be.
inline Geometry tiny_geometry() {
  Geometry g = small_geometry();
  g.vocab_size = 20;
  g.hidden_size = g.intermediate_size = 32;
  g.num_attention_heads = g.num_hidden_layers = 1;
  g.max_position_embeddings = 20;
  return g;
}

inline Result<std::unique_ptr<Backend>> try_load(const Geometry& geometry,
                                                 const WeightTable& table,
                                                 const BackendOptions& options,
                                                 const Element& element = kFp16) {
  Device& device = Device::get();
  const CudaType type = &element == &kBf16 ? CudaType::kBf16 : CudaType::kFp16;
  const auto modules = [&](const std::string& file) {
    return load_module(device.context(), device.image(file, element.name).c_str());
  };
  return load_cuda_backend(options, device.context(), type, modules, geometry, table);
}

inline std::unique_ptr<Backend> load(const Geometry& geometry, const TestCheckpoint& checkpoint,
                                     const Element& element = kFp16,
                                     std::int64_t max_batch_tokens = 1) {
  BackendOptions options;
  options.max_batch_tokens = max_batch_tokens;
  auto loaded = try_load(geometry, *checkpoint.table, options, element);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded.value()) : nullptr;
}

// Matrices rounded, as the naive way has them; biases and LayerNorms stay.
inline NamedTensors rounded_tensors(const NamedTensors& tensors, const Element& element) {
  NamedTensors all = tensors;
  for (auto& [name, values] : all) {
    if (name.find(".bias") != std::string::npos ||
        name.find("LayerNorm") != std::string::npos) {
      continue;
    }
    for (float& value : values) value = static_cast<float>(element.value(element.round(value)));
  }
  return all;
}

// What the naive way does with what an operation puts out.
inline ReferenceBert::Rounding rounding_of(const Element& element) {
  if (&element == &kBf16) return [](double x) { return kBf16.value(kBf16.round(x)); };
  return [](double x) { return kFp16.value(kFp16.round(x)); };
}

// One sequence of so many random tokens.
inline void add_sequence(cpu::Batch& batch, cpu::Random& random, const Geometry& g,
                         std::int64_t length) {
  std::vector<std::int32_t> ids, types;
  for (std::int64_t i = 0; i < length; ++i) {
    ids.push_back(static_cast<std::int32_t>(cpu::pick(random, 0, g.vocab_size - 1)));
    types.push_back(static_cast<std::int32_t>(cpu::pick(random, 0, g.type_vocab_size - 1)));
  }
  batch.add(ids, types);
}

// Mean-pooled rows of a batch, and where they go.
struct PooledRows {
  std::vector<float> rows;  // [sequences, hidden_size]
  EncodeOutput output;

  PooledRows(const cpu::Batch& batch, const Geometry& g)
      : rows(batch.size() * static_cast<std::size_t>(g.hidden_size), cpu::canary()) {
    output.pooling = Pooling::kMean;
    output.pooled = rows.data();
  }
};

}  // namespace fusebert::cuda::testing
