// A random checkpoint for a geometry: the tensors by name, and a table over a temporary file that
// holds them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/reference_bert.h"
#include "model/weights.h"

namespace fusebert {

class TestCheckpoint {
 public:
  // Weights are normal with a deviation of 1/√inputs, so that activations stay of order one. With
  // shared_layers, every layer reads layer 0's tensors: a deep model in a small file.
  TestCheckpoint(const Geometry& geometry, uint64_t seed, bool shared_layers = false)
      : TestCheckpoint(required_tensors(geometry), seed, shared_layers) {}

  TestCheckpoint(const std::vector<TensorRequirement>& requirements, uint64_t seed,
                 bool shared_layers = false) {
    std::mt19937_64 random(seed);
    for (const TensorRequirement& requirement : requirements) {
      TensorEntry entry;
      entry.name = requirement.name;
      entry.shape = requirement.shape;
      const bool matrix = entry.shape.size() == 2;
      entry.strides = matrix ? std::vector<int64_t>{entry.shape[1], 1} : std::vector<int64_t>{1};
      const std::string source = shared_layers ? layer_zero(entry.name) : entry.name;
      sources_[entry.name] = source;
      if (tensors.count(source) == 0) tensors[source] = values(random, entry);
      tensors[entry.name] = tensors[source];
      entries_.push_back(entry);
    }
    static int number = 0;
    path_ = ::testing::TempDir() + "fusebert-" + std::to_string(getpid()) + "-" +
            std::to_string(++number) + ".bin";
    rewrite();
  }

  // Writes the file anew from `tensors` and opens it.
  void rewrite() {
    std::vector<float> contents;
    std::map<std::string, int64_t> offsets;
    for (TensorEntry& entry : entries_) {
      const std::string& source = sources_[entry.name];
      if (offsets.count(source) == 0) {
        offsets[source] = static_cast<int64_t>(contents.size() * sizeof(float));
        contents.insert(contents.end(), tensors[source].begin(), tensors[source].end());
      }
      entry.offset_bytes = offsets[source];
    }
    table.reset();
    std::FILE* file = std::fopen(path_.c_str(), "wb");
    const size_t written = std::fwrite(contents.data(), sizeof(float), contents.size(), file);
    std::fclose(file);
    EXPECT_EQ(written, contents.size());
    const auto bytes = static_cast<int64_t>(contents.size() * sizeof(float));
    auto opened = WeightTable::open({{path_, bytes}}, entries_);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    if (opened.ok()) table = std::move(opened.value());
  }
  ~TestCheckpoint() { std::remove(path_.c_str()); }
  TestCheckpoint(const TestCheckpoint&) = delete;
  TestCheckpoint& operator=(const TestCheckpoint&) = delete;

  NamedTensors tensors;
  std::unique_ptr<WeightTable> table;

 private:
  static std::string layer_zero(const std::string& name) {
    const std::string prefix = "encoder.layer.";
    if (name.rfind(prefix, 0) != 0) return name;
    return prefix + "0" + name.substr(name.find('.', prefix.size()));
  }

  static std::vector<float> values(std::mt19937_64& random, const TensorEntry& entry) {
    const bool gamma = entry.name.find("LayerNorm.weight") != std::string::npos;
    const bool embedding = entry.name.find("embeddings.weight") != std::string::npos;
    const float inputs = static_cast<float>(entry.shape.back());
    const float deviation = entry.shape.size() == 2 && !embedding ? 1.0f / std::sqrt(inputs)
                            : embedding                           ? 1.0f
                                                                  : 0.1f;
    std::normal_distribution<float> distribution(gamma ? 1.0f : 0.0f, deviation);
    int64_t count = 1;
    for (const int64_t dim : entry.shape) count *= dim;
    std::vector<float> result(static_cast<size_t>(count));
    for (float& value : result) value = distribution(random);
    return result;
  }

  std::string path_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> sources_;  // whose values a tensor has
};

}  // namespace fusebert
