// Conversions of what a model is, and of what is wanted of it.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "napi/convert_helpers.h"

namespace fusebert::node {
namespace {

bool is_dtype(const std::string& name, DType& dtype) {
  if (name == "F32") dtype = DType::kF32;
  else if (name == "F16") dtype = DType::kF16;
  else if (name == "BF16") dtype = DType::kBF16;
  else return false;
  return true;
}

Result<std::vector<int64_t>> to_sizes(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsArray()) return expected("an array of integers", key);
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    int64_t size = 0;
    if (!is_integer(item, size)) return expected("an array of integers", key);
    sizes.push_back(size);
  }
  return sizes;
}

Result<Pooling> to_pooling(const std::string& name) {
  if (name == "none") return Pooling::kNone;
  if (name == "mean") return Pooling::kMean;
  if (name == "cls") return Pooling::kCls;
  if (name == "max") return Pooling::kMax;
  if (name == "mean_sqrt_len_tokens") return Pooling::kMeanSqrtLen;
  if (name == "weightedmean") return Pooling::kWeightedMean;
  if (name == "lasttoken") return Pooling::kLastToken;
  return expected("the name of a pooling", "pooling");
}

// A name, or an array of names without 'none'.
Result<Poolings> to_poolings(const Napi::Value& value) {
  Poolings poolings;
  if (value.IsString()) {
    const auto pooling = to_pooling(value.As<Napi::String>().Utf8Value());
    if (!pooling.ok()) return pooling.status();
    return Poolings(pooling.value());
  }
  if (!value.IsArray()) return expected("a name or an array of names", "pooling");
  const auto array = value.As<Napi::Array>();
  if (array.Length() == 0 || array.Length() > Poolings::kMost) {
    return expected("1 to 6 names", "pooling");
  }
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsString()) return expected("an array of names", "pooling");
    const auto pooling = to_pooling(item.As<Napi::String>().Utf8Value());
    if (!pooling.ok()) return pooling.status();
    if (pooling.value() == Pooling::kNone) return expected("names but 'none'", "pooling");
    poolings.add(pooling.value());
  }
  return poolings;
}

}  // namespace

Result<OutputOptions> to_output_options(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "output");
  const auto object = value.As<Napi::Object>();
  OutputOptions options;
  FUSEBERT_ASSIGN(options.pooling, to_poolings(object.Get("pooling")));
  if (!object.Get("skip_tokens").IsUndefined()) {
    FUSEBERT_ASSIGN(options.skip_tokens, to_int32(object, "skip_tokens"));
    if (options.skip_tokens < 0) return expected("an integer of at least 0", "skip_tokens");
  }
  if (!object.Get("pooled_layers").IsUndefined()) {
    FUSEBERT_ASSIGN(options.pooled_layers, to_bool(object, "pooled_layers"));
  }
  FUSEBERT_ASSIGN(options.normalize, to_bool(object, "normalize"));
  FUSEBERT_ASSIGN(options.hidden_states, to_bool(object, "hidden_states"));
  FUSEBERT_ASSIGN(options.pooler_output, to_bool(object, "pooler_output"));
  const Napi::Value head = object.Get("head");
  if (head.IsNull()) return options;
  if (!head.IsObject()) return expected("null or an object", "head");
  const auto wanted = head.As<Napi::Object>();
  FUSEBERT_ASSIGN(options.logits, to_bool(wanted, "logits"));
  FUSEBERT_ASSIGN(options.head_token, to_int32(wanted, "token"));
  FUSEBERT_ASSIGN(options.top_logits, to_int32(wanted, "top"));
  return options;
}

namespace {

Result<std::optional<Head>> to_head(const Napi::Value& value) {
  if (value.IsNull()) return std::optional<Head>();
  if (!value.IsObject()) return expected("null or an object", "head");
  const auto object = value.As<Napi::Object>();
  Head head;
  std::string rows, dense;
  FUSEBERT_ASSIGN(rows, to_string(object, "rows"));
  if (rows == "first") head.rows = HeadRows::kFirst;
  else if (rows == "all") head.rows = HeadRows::kAll;
  else return expected("'first' or 'all'", "rows");
  FUSEBERT_ASSIGN(dense, to_string(object, "dense"));
  if (dense == "none") head.dense = HeadDense::kNone;
  else if (dense == "tanh") head.dense = HeadDense::kTanh;
  else if (dense == "gelu") head.dense = HeadDense::kGelu;
  else if (dense == "relu") head.dense = HeadDense::kRelu;
  else if (dense == "hidden_act") head.dense = HeadDense::kHiddenAct;
  else return expected("'none', 'tanh', 'gelu', 'relu' or 'hidden_act'", "dense");
  FUSEBERT_ASSIGN(head.layer_norm, to_bool(object, "layer_norm"));
  FUSEBERT_ASSIGN(head.tied, to_bool(object, "tied"));
  FUSEBERT_ASSIGN(head.outputs, to_int(object, "outputs"));
  return std::optional<Head>(head);
}

}  // namespace

Result<Geometry> to_geometry(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "geometry");
  const auto object = value.As<Napi::Object>();
  Geometry geometry;
  FUSEBERT_ASSIGN(geometry.vocab_size, to_int(object, "vocab_size"));
  FUSEBERT_ASSIGN(geometry.hidden_size, to_int(object, "hidden_size"));
  FUSEBERT_ASSIGN(geometry.num_hidden_layers, to_int(object, "num_hidden_layers"));
  FUSEBERT_ASSIGN(geometry.num_attention_heads, to_int(object, "num_attention_heads"));
  FUSEBERT_ASSIGN(geometry.intermediate_size, to_int(object, "intermediate_size"));
  FUSEBERT_ASSIGN(geometry.max_position_embeddings, to_int(object, "max_position_embeddings"));
  FUSEBERT_ASSIGN(geometry.type_vocab_size, to_int(object, "type_vocab_size"));
  if (!object.Get("padding_idx").IsNull()) {
    FUSEBERT_ASSIGN(geometry.padding_idx, to_int(object, "padding_idx"));
  }
  const Napi::Value eps = object.Get("layer_norm_eps");
  if (!eps.IsNumber()) return expected("a number", "layer_norm_eps");
  geometry.layer_norm_eps = eps.As<Napi::Number>().FloatValue();
  FUSEBERT_ASSIGN(geometry.has_pooler, to_bool(object, "has_pooler"));
  FUSEBERT_ASSIGN(geometry.has_token_types, to_bool(object, "has_token_types"));
  FUSEBERT_ASSIGN(geometry.head, to_head(object.Get("head")));
  std::string activation;
  FUSEBERT_ASSIGN(activation, to_string(object, "hidden_act"));
  if (activation == "gelu") geometry.hidden_act = Activation::kGelu;
  else if (activation == "gelu_tanh") geometry.hidden_act = Activation::kGeluTanh;
  else if (activation == "quick_gelu") geometry.hidden_act = Activation::kQuickGelu;
  else if (activation == "relu") geometry.hidden_act = Activation::kRelu;
  else if (activation == "silu") geometry.hidden_act = Activation::kSilu;
  else return expected("'gelu', 'gelu_tanh', 'quick_gelu', 'relu' or 'silu'", "hidden_act");
  return geometry;
}

namespace {

Result<PooledLayerSpec> to_pooled_layer(const Napi::Object& object) {
  PooledLayerSpec layer;
  std::string kind, activation;
  FUSEBERT_ASSIGN(kind, to_string(object, "kind"));
  if (kind == "dense") layer.kind = PooledLayerKind::kDense;
  else if (kind == "layer_norm") layer.kind = PooledLayerKind::kLayerNorm;
  else if (kind == "normalize") layer.kind = PooledLayerKind::kNormalize;
  else return expected("'dense', 'layer_norm' or 'normalize'", "kind");
  FUSEBERT_ASSIGN(layer.inputs, to_int(object, "inputs"));
  FUSEBERT_ASSIGN(layer.outputs, to_int(object, "outputs"));
  FUSEBERT_ASSIGN(layer.bias, to_bool(object, "bias"));
  FUSEBERT_ASSIGN(activation, to_string(object, "activation"));
  if (activation == "none") layer.activation = PooledActivation::kNone;
  else if (activation == "tanh") layer.activation = PooledActivation::kTanh;
  else if (activation == "gelu") layer.activation = PooledActivation::kGelu;
  else if (activation == "relu") layer.activation = PooledActivation::kRelu;
  else if (activation == "silu") layer.activation = PooledActivation::kSilu;
  else return expected("'none', 'tanh', 'gelu', 'relu' or 'silu'", "activation");
  return layer;
}

}  // namespace

Result<std::vector<PooledLayerSpec>> to_pooled_layers(const Napi::Value& value) {
  if (!value.IsArray()) return expected("an array", "pooled_layers");
  const auto array = value.As<Napi::Array>();
  std::vector<PooledLayerSpec> layers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return expected("an array of objects", "pooled_layers");
    auto layer = to_pooled_layer(item.As<Napi::Object>());
    if (!layer.ok()) return layer.status();
    layers.push_back(layer.value());
  }
  return layers;
}

Result<std::vector<FileEntry>> to_files(const Napi::Value& value) {
  if (!value.IsArray()) return expected("an array", "files");
  const auto array = value.As<Napi::Array>();
  std::vector<FileEntry> files;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return expected("an array of objects", "files");
    FileEntry file;
    FUSEBERT_ASSIGN(file.path, to_string(item.As<Napi::Object>(), "path"));
    FUSEBERT_ASSIGN(file.size_bytes, to_int(item.As<Napi::Object>(), "size_bytes"));
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::vector<TensorEntry>> to_tensors(const Napi::Value& value) {
  if (!value.IsArray()) return expected("an array", "tensors");
  const auto array = value.As<Napi::Array>();
  std::vector<TensorEntry> tensors;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return expected("an array of objects", "tensors");
    const auto object = item.As<Napi::Object>();
    TensorEntry tensor;
    std::string dtype;
    FUSEBERT_ASSIGN(tensor.name, to_string(object, "name"));
    FUSEBERT_ASSIGN(dtype, to_string(object, "dtype"));
    if (!is_dtype(dtype, tensor.dtype)) {
      return Status(StatusCode::kTensorDtype, "Expected F32, F16 or BF16 for tensor " +
                                                  tensor.name + " but received " + dtype + ".");
    }
    FUSEBERT_ASSIGN(tensor.shape, to_sizes(object, "shape"));
    FUSEBERT_ASSIGN(tensor.strides, to_sizes(object, "strides"));
    FUSEBERT_ASSIGN(tensor.file_index, to_int(object, "file_index"));
    FUSEBERT_ASSIGN(tensor.offset_bytes, to_int(object, "offset_bytes"));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace fusebert::node
