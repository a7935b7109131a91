// Loading: lay everything out once without memory to learn the size, once with it, then fill.
#include "cpu/encoder_weights.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace fusebert::cpu {
namespace {

// Hands out cache-line aligned pieces of a block of floats, or only counts when there is none.
class Arena {
 public:
  explicit Arena(float* base) : base_(base) {}

  float* take(int64_t floats) {
    float* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += round_up(floats, kCacheLineFloats);
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  float* base_;
  int64_t used_ = 0;
};

Linear place_linear(Arena& arena, int64_t inputs, int64_t outputs, int64_t panel_width) {
  Linear linear;
  linear.inputs = inputs;
  linear.outputs = outputs;
  linear.panel_count = (outputs + panel_width - 1) / panel_width;
  linear.panels = arena.take(linear.panel_count * inputs * panel_width);
  linear.bias = arena.take(linear.panel_count * panel_width);
  return linear;
}

LayerNorm place_norm(Arena& arena, int64_t columns) {
  LayerNorm norm;
  norm.gamma = arena.take(columns);
  norm.beta = arena.take(columns);
  return norm;
}

HeadWeights place_head(Arena& arena, const Head& head, int64_t hidden, int64_t panel_width) {
  HeadWeights w;
  if (head.dense != HeadDense::kNone) w.dense = place_linear(arena, hidden, hidden, panel_width);
  if (head.layer_norm) w.norm = place_norm(arena, hidden);
  w.output = place_linear(arena, hidden, head.outputs, panel_width);
  return w;
}

EncoderWeights place(Arena& arena, const Geometry& g, int64_t panel_width) {
  const int64_t hidden = g.hidden_size;
  EncoderWeights w;
  w.word_embeddings = arena.take(g.vocab_size * hidden);
  w.position_embeddings = arena.take(g.max_position_embeddings * hidden);
  if (g.has_token_types) w.token_type_embeddings = arena.take(g.type_vocab_size * hidden);
  w.embedding_norm = place_norm(arena, hidden);
  for (int64_t i = 0; i < g.num_hidden_layers; ++i) {
    LayerWeights layer;
    layer.query_key_value = place_linear(arena, hidden, 3 * hidden, panel_width);
    layer.attention_output = place_linear(arena, hidden, hidden, panel_width);
    layer.attention_norm = place_norm(arena, hidden);
    layer.intermediate = place_linear(arena, hidden, g.intermediate_size, panel_width);
    layer.output = place_linear(arena, g.intermediate_size, hidden, panel_width);
    layer.output_norm = place_norm(arena, hidden);
    w.layers.push_back(layer);
  }
  if (g.has_pooler) w.pooler = place_linear(arena, hidden, hidden, panel_width);
  if (g.head.has_value()) w.head = place_head(arena, *g.head, hidden, panel_width);
  return w;
}

// Reads tensors into place, several threads at a time. What has been read of the files needs no
// memory any more, so that a load takes little more than its result.
class Loader {
 public:
  Loader(const WeightTable& table, const Kernels& kernels, ThreadPool& pool)
      : table_(table), kernels_(kernels), pool_(pool) {}

  // `name`, [rows, columns], to out, row-major.
  Status matrix(const std::string& name, int64_t rows, float* out, int64_t columns) {
    const int64_t parts = pool_.size();
    const Status status = on_all_threads([&, parts](int64_t part) {
      const int64_t begin = rows * part / parts;
      return table_.copy_rows(name, begin, rows * (part + 1) / parts - begin,
                              out + begin * columns);
    });
    table_.release(name);
    return status;
  }

  Status norm(const std::string& name, const LayerNorm& norm) {
    FUSEBERT_RETURN_IF_ERROR(table_.copy_rows(name + ".weight", 0, 1, norm.gamma));
    return table_.copy_rows(name + ".bias", 0, 1, norm.beta);
  }

  // The tensors <name>.weight, one below the other, each with an equal share of the outputs.
  Status linear(const std::vector<std::string>& names, const Linear& linear) {
    std::vector<std::string> weights, biases;
    for (const std::string& name : names) {
      weights.push_back(name + ".weight");
      biases.push_back(name + ".bias");
    }
    return stack(weights, biases, linear);
  }

  // The same of tensors by their whole names.
  Status stack(const std::vector<std::string>& weights, const std::vector<std::string>& biases,
               const Linear& linear) {
    const int64_t share = linear.outputs / static_cast<int64_t>(weights.size());
    const int64_t width = kernels_.gemm_panel_width;
    std::fill(linear.bias, linear.bias + linear.panel_count * width, 0.0f);
    for (size_t i = 0; i < biases.size(); ++i) {
      FUSEBERT_RETURN_IF_ERROR(
          table_.copy_rows(biases[i], 0, 1, linear.bias + static_cast<int64_t>(i) * share));
    }
    const int64_t parts = pool_.size();
    const Status status = on_all_threads([&, parts](int64_t part) -> Status {
      auto rows = AlignedBuffer::allocate(width * linear.inputs);
      if (!rows.ok()) return rows.status();
      const int64_t end = linear.panel_count * (part + 1) / parts;
      for (int64_t panel = linear.panel_count * part / parts; panel < end; ++panel) {
        FUSEBERT_RETURN_IF_ERROR(pack(weights, share, linear, panel, rows.value().data()));
      }
      return Status();
    });
    for (const std::string& name : weights) table_.release(name);
    return status;
  }

 private:
  // Packs one panel, whose rows may come from two neighbouring tensors. rows: [width, inputs].
  Status pack(const std::vector<std::string>& names, int64_t share, const Linear& linear,
              int64_t panel, float* rows) const {
    const int64_t width = kernels_.gemm_panel_width;
    const int64_t begin = panel * width;
    const int64_t end = std::min(begin + width, linear.outputs);
    for (int64_t row = begin; row < end;) {
      const int64_t tensor = row / share;
      const int64_t count = std::min(end, (tensor + 1) * share) - row;
      FUSEBERT_RETURN_IF_ERROR(table_.copy_rows(names[static_cast<size_t>(tensor)],
                                                row - tensor * share, count,
                                                rows + (row - begin) * linear.inputs));
      row += count;
    }
    kernels_.pack_panel(rows, end - begin, linear.inputs,
                        linear.panels + panel * linear.inputs * width);
    return Status();
  }

  // work(part) for as many parts as there are threads; the first failure, if any.
  template <class Work>
  Status on_all_threads(const Work& work) {
    std::mutex mutex;
    Status first;
    pool_.run(pool_.size(), [&](int64_t part) {
      const Status status = work(part);
      const std::lock_guard<std::mutex> lock(mutex);
      if (first.ok() && !status.ok()) first = status;
    });
    return first;
  }

  const WeightTable& table_;
  const Kernels& kernels_;
  ThreadPool& pool_;
};

Status fill_head(Loader& load, const Head& head, const HeadWeights& w) {
  if (head.dense != HeadDense::kNone) {
    FUSEBERT_RETURN_IF_ERROR(load.linear({"head.dense"}, w.dense));
  }
  if (head.layer_norm) FUSEBERT_RETURN_IF_ERROR(load.norm("head.LayerNorm", w.norm));
  return load.stack({head.output_weight()}, {"head.output.bias"}, w.output);
}

Status fill(Loader& load, const Geometry& g, const EncoderWeights& w) {
  const std::string table = "embeddings.";
  FUSEBERT_RETURN_IF_ERROR(load.matrix(table + "word_embeddings.weight", g.vocab_size,
                                       w.word_embeddings, g.hidden_size));
  FUSEBERT_RETURN_IF_ERROR(load.matrix(table + "position_embeddings.weight",
                                       g.max_position_embeddings, w.position_embeddings,
                                       g.hidden_size));
  if (g.has_token_types) {
    FUSEBERT_RETURN_IF_ERROR(load.matrix(table + "token_type_embeddings.weight", g.type_vocab_size,
                                         w.token_type_embeddings, g.hidden_size));
  }
  FUSEBERT_RETURN_IF_ERROR(load.norm(table + "LayerNorm", w.embedding_norm));
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const LayerWeights& layer = w.layers[i];
    const std::string name = "encoder.layer." + std::to_string(i) + ".";
    const std::string self = name + "attention.self.";
    FUSEBERT_RETURN_IF_ERROR(
        load.linear({self + "query", self + "key", self + "value"}, layer.query_key_value));
    FUSEBERT_RETURN_IF_ERROR(
        load.linear({name + "attention.output.dense"}, layer.attention_output));
    FUSEBERT_RETURN_IF_ERROR(load.norm(name + "attention.output.LayerNorm", layer.attention_norm));
    FUSEBERT_RETURN_IF_ERROR(load.linear({name + "intermediate.dense"}, layer.intermediate));
    FUSEBERT_RETURN_IF_ERROR(load.linear({name + "output.dense"}, layer.output));
    FUSEBERT_RETURN_IF_ERROR(load.norm(name + "output.LayerNorm", layer.output_norm));
  }
  if (g.has_pooler) FUSEBERT_RETURN_IF_ERROR(load.linear({"pooler.dense"}, w.pooler));
  return g.head.has_value() ? fill_head(load, *g.head, w.head) : Status();
}

}  // namespace

Result<EncoderWeights> load_encoder_weights(const Geometry& geometry, const WeightTable& table,
                                            const Kernels& kernels, ThreadPool& pool) {
  Arena measure(nullptr);
  place(measure, geometry, kernels.gemm_panel_width);
  auto memory = AlignedBuffer::allocate(measure.used());
  if (!memory.ok()) return memory.status();
  Arena arena(memory.value().data());
  EncoderWeights weights = place(arena, geometry, kernels.gemm_panel_width);
  weights.memory = std::move(memory.value());
  Loader loader(table, kernels, pool);
  FUSEBERT_RETURN_IF_ERROR(fill(loader, geometry, weights));
  return weights;
}

}  // namespace fusebert::cpu
