// A BERT encoder written for reading, in double precision and plain loops: the oracle of the
// backends' tests. Follows transformers' BertModel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/geometry.h"

namespace fusebert {

using NamedTensors = std::map<std::string, std::vector<float>>;
using Rows = std::vector<std::vector<double>>;  // [rows][columns]

inline constexpr Activation kEveryActivation[] = {Activation::kGelu, Activation::kGeluTanh,
                                                  Activation::kQuickGelu, Activation::kRelu,
                                                  Activation::kSilu};

inline double reference_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::kGelu:
      return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1.0 + std::exp(-1.702 * x));
    case Activation::kSilu:
      return x / (1.0 + std::exp(-x));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return x;
}

class ReferenceBert {
 public:
  using Rounding = double (*)(double);

  // `rounding`: what happens to whatever an operation puts out. That is the naive way to run an
  // encoder in few bits, if the tensors are rounded too.
  ReferenceBert(const Geometry& geometry, const NamedTensors& tensors,
                Rounding rounding = [](double x) { return x; })
      : geometry_(geometry), tensors_(tensors), rounding_(rounding) {}

  // The last hidden states of one sequence, [tokens][hidden_size].
  Rows encode(const std::vector<int32_t>& ids, const std::vector<int32_t>& types) const {
    const int64_t hidden = geometry_.hidden_size;
    const auto& words = tensor("embeddings.word_embeddings.weight");
    const auto& places = tensor("embeddings.position_embeddings.weight");
    const std::vector<float> none(static_cast<size_t>(geometry_.type_vocab_size * hidden));
    const std::vector<float>& kinds =
        geometry_.has_token_types ? tensor("embeddings.token_type_embeddings.weight") : none;
    Rows x(ids.size(), std::vector<double>(static_cast<size_t>(hidden)));
    const auto padding = static_cast<int32_t>(geometry_.padding_idx);
    int64_t place = geometry_.padding_idx;
    for (size_t t = 0; t < ids.size(); ++t) {
      // As RobertaEmbeddings; without an id for padding the places are 0, 1, 2, …
      if (padding < 0 || ids[t] != padding) ++place;
      const int64_t position = padding >= 0 && ids[t] == padding ? padding : place;
      for (int64_t i = 0; i < hidden; ++i) {
        x[t][static_cast<size_t>(i)] =
            static_cast<double>(words[static_cast<size_t>(ids[t] * hidden + i)]) +
            kinds[static_cast<size_t>(types[t] * hidden + i)] +
            places[static_cast<size_t>(position * hidden + i)];
      }
    }
    normalize(x, "embeddings.LayerNorm");
    for (int64_t i = 0; i < geometry_.num_hidden_layers; ++i) layer(i, x);
    return x;
  }

  // tanh(W·h_cls + b), [hidden_size].
  std::vector<double> pooler(const Rows& hidden_states) const {
    std::vector<double> y = linear({hidden_states[0]}, "pooler.dense")[0];
    for (double& value : y) value = rounding_(std::tanh(value));
    return y;
  }

  // What the geometry's head makes of these rows of the last hidden states, [rows][outputs].
  Rows logits(Rows x) const {
    const Head& head = *geometry_.head;
    if (head.dense != HeadDense::kNone) {
      const Activation activation = head.dense == HeadDense::kGelu   ? Activation::kGelu
                                    : head.dense == HeadDense::kRelu ? Activation::kRelu
                                                                     : geometry_.hidden_act;
      x = linear(x, "head.dense");
      for (std::vector<double>& row : x) {
        for (double& value : row) {
          value = rounding_(head.dense == HeadDense::kTanh
                                ? std::tanh(value)
                                : reference_activation(activation, value));
        }
      }
    }
    if (head.layer_norm) normalize(x, "head.LayerNorm");
    x = linear(x, head.output_weight(), "head.output.bias");
    round(x);
    return x;
  }

 private:
  const std::vector<float>& tensor(const std::string& name) const { return tensors_.at(name); }

  Rows linear(const Rows& x, const std::string& name) const {
    return linear(x, name + ".weight", name + ".bias");
  }

  Rows linear(const Rows& x, const std::string& weight_name, const std::string& bias_name) const {
    if (x.empty()) return {};
    const auto& weight = tensor(weight_name);
    const auto& bias = tensor(bias_name);
    Rows y(x.size(), std::vector<double>(bias.size()));
    const size_t inputs = x[0].size();
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t o = 0; o < bias.size(); ++o) {
        const float* w = weight.data() + o * inputs;
        double total = bias[o];
        for (size_t i = 0; i < inputs; ++i) total += x[t][i] * static_cast<double>(w[i]);
        y[t][o] = total;
      }
    }
    return y;
  }

  void normalize(Rows& x, const std::string& name) const {
    const auto& gamma = tensor(name + ".weight");
    const auto& beta = tensor(name + ".bias");
    for (std::vector<double>& row : x) {
      const double count = static_cast<double>(row.size());
      double mean = 0, variance = 0;
      for (const double value : row) mean += value / count;
      for (const double value : row) variance += (value - mean) * (value - mean) / count;
      const double scale =
          1.0 / std::sqrt(variance + static_cast<double>(geometry_.layer_norm_eps));
      for (size_t i = 0; i < row.size(); ++i) {
        row[i] = rounding_((row[i] - mean) * scale * gamma[i] + beta[i]);
      }
    }
  }

  Rows attention(const Rows& x, const std::string& name) const {
    Rows query = linear(x, name + "query"), key = linear(x, name + "key");
    Rows value = linear(x, name + "value");
    for (Rows* each : {&query, &key, &value}) round(*each);
    const auto dim = static_cast<size_t>(geometry_.head_dim());
    Rows context(x.size(), std::vector<double>(x[0].size()));
    for (size_t first = 0; first < x[0].size(); first += dim) {
      for (size_t q = 0; q < x.size(); ++q) {
        std::vector<double> weights(x.size());
        double total = 0;
        for (size_t s = 0; s < x.size(); ++s) {
          double dot = 0;
          for (size_t i = first; i < first + dim; ++i) dot += query[q][i] * key[s][i];
          total += weights[s] = std::exp(dot / std::sqrt(static_cast<double>(dim)));
        }
        for (size_t s = 0; s < x.size(); ++s) {
          for (size_t i = first; i < first + dim; ++i) {
            context[q][i] += weights[s] / total * value[s][i];
          }
        }
      }
    }
    round(context);
    return context;
  }

  void round(Rows& x) const {
    for (std::vector<double>& row : x) {
      for (double& value : row) value = rounding_(value);
    }
  }

  void add(Rows& x, const Rows& y) const {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t i = 0; i < x[t].size(); ++i) x[t][i] = rounding_(x[t][i] + y[t][i]);
    }
  }

  void layer(int64_t index, Rows& x) const {
    const std::string name = "encoder.layer." + std::to_string(index) + ".";
    add(x, linear(attention(x, name + "attention.self."), name + "attention.output.dense"));
    normalize(x, name + "attention.output.LayerNorm");
    Rows middle = linear(x, name + "intermediate.dense");
    for (std::vector<double>& row : middle) {
      for (double& value : row) {
        value = rounding_(reference_activation(geometry_.hidden_act, value));
      }
    }
    add(x, linear(middle, name + "output.dense"));
    normalize(x, name + "output.LayerNorm");
  }

  const Geometry geometry_;
  const NamedTensors& tensors_;
  const Rounding rounding_;
};

}  // namespace fusebert
