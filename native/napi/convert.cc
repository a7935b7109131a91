// Conversions from JavaScript options and tables, and from vectors to typed arrays.
#include "napi/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <utility>

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

// A typed array of `type` over the memory of a vector or a string.
template <typename Values>
napi_value take(napi_env env, Values values, napi_typedarray_type type) {
  const size_t count = values.size();
  const size_t bytes = count * sizeof(typename Values::value_type);
  napi_value buffer = nullptr;
  auto owner = std::make_unique<Values>(std::move(values));
  napi_status status = napi_generic_failure;
  if (bytes > 0) {
    status = napi_create_external_arraybuffer(
        env, owner->data(), bytes,
        [](napi_env, void*, void* hint) { delete static_cast<Values*>(hint); },
        owner.get(), &buffer);
  }
  if (status == napi_ok) {
    owner.release();  // the finalizer owns it now
  } else {
    // Hosts that forbid external memory (Electron), and empty arrays: copy.
    void* data = nullptr;
    if (napi_create_arraybuffer(env, bytes, &data, &buffer) != napi_ok) return nullptr;
    if (bytes > 0) std::memcpy(data, owner->data(), bytes);
  }
  napi_value array = nullptr;
  if (napi_create_typedarray(env, type, count, buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

}  // namespace

bool is_integer(const Napi::Value& value, int64_t& integer) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  constexpr double kMaxSafeInteger = 9007199254740991.0;  // 2^53 - 1
  if (!(std::fabs(number) <= kMaxSafeInteger) || number != std::floor(number)) return false;
  integer = static_cast<int64_t>(number);
  return true;
}

Result<TextList> to_texts(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "texts");
  const auto object = value.As<Napi::Object>();
  const Napi::Value bytes = object.Get("bytes");
  if (!is_bytes(bytes)) return expected("a Uint8Array", "bytes");
  std::span<const int32_t> offsets;
  FUSEBERT_ASSIGN(offsets, view_of_ints(object.Get("offsets"), "offsets"));
  const auto array = bytes.As<Napi::Uint8Array>();
  if (offsets.empty() || offsets.front() < 0 ||
      static_cast<size_t>(offsets.back()) > array.ElementLength() ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    return expected("ascending offsets into bytes", "offsets");
  }
  return TextList{reinterpret_cast<const char*>(array.Data()), offsets};
}

Result<std::string> to_string(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsString()) return expected("a string", key);
  return value.As<Napi::String>().Utf8Value();
}

Result<bool> to_bool(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsBoolean()) return expected("a boolean", key);
  return value.As<Napi::Boolean>().Value();
}

Result<int64_t> to_int(const Napi::Object& object, const char* key) {
  int64_t value = 0;
  if (!is_integer(object.Get(key), value)) return expected("an integer", key);
  return value;
}

Result<std::span<const int32_t>> view_of_ints(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    return expected("an Int32Array", name);
  }
  const auto array = value.As<Napi::Int32Array>();
  return std::span<const int32_t>(array.Data(), array.ElementLength());
}

Result<std::vector<int32_t>> to_int32s(const Napi::Value& value, const char* name) {
  std::span<const int32_t> view;
  FUSEBERT_ASSIGN(view, view_of_ints(value, name));
  return std::vector<int32_t>(view.begin(), view.end());
}

Result<EncodeOptions> to_encode_options(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "options");
  const auto object = value.As<Napi::Object>();
  EncodeOptions options;
  if (!object.Get("truncation").IsNull()) {
    std::string strategy;
    FUSEBERT_ASSIGN(strategy, to_string(object, "truncation"));
    if (strategy == "longest_first") options.truncation = Truncation::kLongestFirst;
    else if (strategy == "only_first") options.truncation = Truncation::kOnlyFirst;
    else if (strategy == "only_second") options.truncation = Truncation::kOnlySecond;
    else return expected("'longest_first', 'only_first' or 'only_second'", "truncation");
  }
  FUSEBERT_ASSIGN(options.max_length, to_int(object, "max_length"));
  FUSEBERT_ASSIGN(options.add_special_tokens, to_bool(object, "add_special_tokens"));
  FUSEBERT_ASSIGN(options.special_tokens_mask, to_bool(object, "special_tokens_mask"));
  if (!object.Get("overflowing").IsUndefined()) {
    FUSEBERT_ASSIGN(options.overflowing, to_bool(object, "overflowing"));
    FUSEBERT_ASSIGN(options.stride, to_int(object, "stride"));
  }
  if (options.stride < 0) return expected("an integer of at least 0", "stride");
  std::string offsets;
  FUSEBERT_ASSIGN(offsets, to_string(object, "offsets"));
  if (offsets == "utf16") options.offsets = OffsetUnit::kUtf16;
  else if (offsets == "code_point") options.offsets = OffsetUnit::kCodePoint;
  else if (offsets != "none") return expected("'none', 'utf16' or 'code_point'", "offsets");
  return options;
}

Result<OutputOptions> to_output_options(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "output");
  const auto object = value.As<Napi::Object>();
  OutputOptions options;
  std::string pooling;
  FUSEBERT_ASSIGN(pooling, to_string(object, "pooling"));
  if (pooling == "mean") options.pooling = Pooling::kMean;
  else if (pooling == "cls") options.pooling = Pooling::kCls;
  else if (pooling == "max") options.pooling = Pooling::kMax;
  else if (pooling != "none") return expected("'none', 'mean', 'cls' or 'max'", "pooling");
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
  else if (dense == "hidden_act") head.dense = HeadDense::kHiddenAct;
  else return expected("'none', 'tanh', 'gelu' or 'hidden_act'", "dense");
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

napi_value take_floats(napi_env env, std::vector<float> values) {
  return take(env, std::move(values), napi_float32_array);
}

napi_value take_ints(napi_env env, std::vector<int32_t> values) {
  return take(env, std::move(values), napi_int32_array);
}

napi_value take_longs(napi_env env, std::vector<int64_t> values) {
  return take(env, std::move(values), napi_bigint64_array);
}

napi_value take_bytes(napi_env env, std::vector<uint8_t> values) {
  return take(env, std::move(values), napi_uint8_array);
}

napi_value take_text(napi_env env, std::string text) {
  return take(env, std::move(text), napi_uint8_array);
}

}  // namespace fusebert::node
