// JavaScript's NativeModel over fusebert::Engine.
#include "napi/model_object.h"

#include <algorithm>
#include <utility>

#include "napi/background.h"
#include "napi/convert.h"
#include "napi/cuda.h"
#include "napi/environment.h"
#include "napi/errors.h"
#include "napi/held.h"
#include "napi/object_maker.h"
#include "napi/tokenizer_object.h"

namespace fusebert::node {
namespace {

struct LoadSpec {
  Geometry geometry;
  std::vector<FileEntry> files;
  std::vector<TensorEntry> tensors;
  std::vector<PooledLayerSpec> pooled_layers;
  BackendOptions options;
};

Result<LoadSpec> to_load_spec(const Napi::Value& value) {
  if (!value.IsObject()) return Status(StatusCode::kInvalidArgument, "Expected an object.");
  const auto object = value.As<Napi::Object>();
  LoadSpec spec;
  auto geometry = to_geometry(object.Get("geometry"));
  if (!geometry.ok()) return geometry.status();
  spec.geometry = geometry.value();
  auto files = to_files(object.Get("files"));
  if (!files.ok()) return files.status();
  spec.files = std::move(files.value());
  auto tensors = to_tensors(object.Get("tensors"));
  if (!tensors.ok()) return tensors.status();
  spec.tensors = std::move(tensors.value());
  auto pooled_layers = to_pooled_layers(object.Get("pooled_layers"));
  if (!pooled_layers.ok()) return pooled_layers.status();
  spec.pooled_layers = std::move(pooled_layers.value());
  auto device = to_string(object, "device");
  if (!device.ok()) return device.status();
  spec.options.device = device.value();
  auto threads = to_int(object, "threads");
  if (!threads.ok()) return threads.status();
  spec.options.threads = static_cast<int>(std::clamp<int64_t>(threads.value(), -1, INT32_MAX));
  auto max_batch_tokens = to_int(object, "max_batch_tokens");
  if (!max_batch_tokens.ok()) return max_batch_tokens.status();
  spec.options.max_batch_tokens = max_batch_tokens.value();
  auto max_device_bytes = to_int(object, "max_device_bytes");
  if (!max_device_bytes.ok()) return max_device_bytes.status();
  spec.options.max_device_bytes = max_device_bytes.value();
  if (!object.Get("cuda").IsNull()) {
    auto cuda = to_cuda_request(object.Get("cuda"));
    if (!cuda.ok()) return cuda.status();
    spec.options.cuda = std::move(cuda.value());
  }
  auto no_cuda_reason = to_string(object, "no_cuda_reason");
  if (!no_cuda_reason.ok()) return no_cuda_reason.status();
  spec.options.no_cuda_reason = std::move(no_cuda_reason.value());
  return spec;
}

// The result of a request as JavaScript sees it; null when the environment is ending.
napi_value result_to_js(napi_env env, EncodeResult result, const OutputOptions& output) {
  ObjectMaker maker(env);
  maker.set("hidden_states", output.wants_hidden_states(), result.hidden_states);
  maker.set("pooled", output.wants_pooled(), result.pooled);
  maker.set("pooler_output", output.pooler_output, result.pooler_output);
  maker.set("logits", output.logits, result.logits);
  const bool top = output.top_logits > 0;
  maker.set("top_columns", top, result.top_columns);
  maker.set("top_values", top, result.top_values);
  maker.set("log_sum_exp", top, result.log_sum_exp);
  const bool of_tokens = output.wants_head() && output.head_token != kEveryToken;
  maker.set("head_tokens", of_tokens, result.head_tokens);
  maker.set("cu_seqlens", true, result.cu_seqlens);
  maker.set("truncated", result.truncated);
  return maker.object();
}

Napi::Value resolved(Napi::Env env) {
  const auto done = Napi::Promise::Deferred::New(env);
  done.Resolve(env.Undefined());
  return done.Promise();
}

constexpr int64_t kMaxPaddedLength = int64_t{1} << 24;

// [total_tokens, columns] → [sequences, length, columns] with zeros in the padding.
Status pad_rows(std::vector<float>& values, const std::vector<int32_t>& cu_seqlens,
                int64_t length, int64_t columns) {
  const size_t sequences = cu_seqlens.size() - 1;
  // Both factors have bounds: 2^24 · 2^24.
  const size_t row = static_cast<size_t>(length * columns);
  if (sequences > std::vector<float>().max_size() / std::max<size_t>(row, 1)) {
    return Status(StatusCode::kOutOfMemory, "Not enough memory for the padding.");
  }
  if (values.size() == sequences * row) return Status();
  std::vector<float> padded(sequences * row);
  for (size_t i = 0; i < sequences; ++i) {
    const int64_t begin = cu_seqlens[i] * columns;
    const int64_t end = cu_seqlens[i + 1] * columns;
    std::copy(values.begin() + begin, values.begin() + end,
              padded.begin() + static_cast<int64_t>(i * row));
  }
  values = std::move(padded);
  return Status();
}

// Pads what has a row for every token. On the engine's thread: this moves megabytes.
Status pad_result(EncodeResult& result, const OutputOptions& output, const Geometry& geometry,
                  int64_t length) {
  if (!result.status.ok()) return result.status;
  return guarded([&]() -> Status {
    for (size_t i = 0; i + 1 < result.cu_seqlens.size(); ++i) {
      if (int64_t{result.cu_seqlens[i + 1]} - result.cu_seqlens[i] > length) {
        return Status(StatusCode::kInvalidArgument, "Expected padded_length of the longest row.");
      }
    }
    if (output.wants_hidden_states()) {
      FUSEBERT_RETURN_IF_ERROR(
          pad_rows(result.hidden_states, result.cu_seqlens, length, geometry.hidden_size));
    }
    const bool of_all = output.logits && geometry.head->rows == HeadRows::kAll &&
                        output.head_token == kEveryToken;
    if (!of_all) return Status();
    return pad_rows(result.logits, result.cu_seqlens, length, geometry.head->outputs);
  });
}

void settle(napi_env env, PendingCall* call, EncodeResult result, const OutputOptions& output) {
  if (result.status.ok()) {
    resolve(env, call->deferred, result_to_js(env, std::move(result), output));
  } else {
    reject(env, call->deferred, result.status);
  }
  if (Environment* data = Environment::get(env)) data->end_call(env, call);
}

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {InstanceMethod<&ModelObject::encode_texts>("encodeTexts"),
                      InstanceMethod<&ModelObject::encode_ids>("encodeIds"),
                      InstanceMethod<&ModelObject::cancel>("cancel"),
                      InstanceMethod<&ModelObject::trim>("trim"),
                      InstanceMethod<&ModelObject::dispose>("dispose"),
                      InstanceAccessor<&ModelObject::info>("info")});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelObject>(info) {
  Environment* data = Environment::get(info.Env());
  if (info.Length() != 1 || !info[0].IsExternal() || data == nullptr) {
    throw_error(info.Env(), Status(StatusCode::kInvalidArgument, "Use loadModel()."));
    return;
  }
  const Loaded& loaded = *info[0].As<Napi::External<Loaded>>().Data();
  engine_ = loaded.engine;
  reason_ = loaded.reason;
  description_ = engine_->backend().describe();
  engines_ = data->engines();
  engines_->insert(engine_);
}

// A collected model has no call under way (a pending call refers to it), so its thread is idle and
// stopping it is quick.
ModelObject::~ModelObject() {
  if (engine_ != nullptr) release_engine();
}

std::shared_ptr<Engine> ModelObject::release_engine() {
  engines_->erase(engine_);
  return std::exchange(engine_, nullptr);
}

Napi::Value ModelObject::load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto shared_spec = std::make_shared<LoadSpec>();
  const Status status = guarded([&]() -> Status {
    auto spec = to_load_spec(info[0]);
    if (spec.ok()) *shared_spec = std::move(spec.value());
    return spec.status();
  });
  if (!status.ok()) return refuse(env, status);
  auto loaded = std::make_shared<Loaded>();
  const auto work = [shared_spec, loaded]() -> Status {
    auto table = WeightTable::open(std::move(shared_spec->files), std::move(shared_spec->tensors));
    if (!table.ok()) return table.status();
    auto selected = load_backend(shared_spec->options, shared_spec->geometry, *table.value());
    if (!selected.ok()) return selected.status();
    loaded->reason = std::move(selected.value().reason);
    auto layers =
        load_pooled_layers(shared_spec->options, shared_spec->pooled_layers, *table.value());
    if (!layers.ok()) return layers.status();
    loaded->engine = std::make_shared<Engine>(std::move(selected.value().backend),
                                              std::move(layers.value()));
    return Status();
  };
  const auto make_result = [loaded](napi_env result_env) -> napi_value {
    Environment* data = Environment::get(result_env);
    if (data == nullptr) return nullptr;
    return new_instance(result_env, data->model_constructor, loaded.get());
  };
  return Napi::Value(env, run_in_background(env, "fusebert:loadModel", work, make_result));
}

Napi::Value ModelObject::encode_texts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  EncodeRequest request;
  HeldTexts texts;
  const Status status = guarded([&]() -> Status {
    request.tokenizer = TokenizerObject::unwrap(info[0]);
    if (request.tokenizer == nullptr) {
      return Status(StatusCode::kInvalidArgument, "Expected a tokenizer of this addon.");
    }
    FUSEBERT_RETURN_IF_ERROR(hold_texts(info[1], texts));
    request.texts = texts.list;
    auto options = to_encode_options(info[2]);
    if (!options.ok()) return options.status();
    request.tokenizer_options = options.value();
    auto output = to_output_options(info[3]);
    if (!output.ok()) return output.status();
    request.output = output.value();
    return Status();
  });
  if (!status.ok()) return refuse(env, status);
  return submit(env, std::move(request), std::move(texts), 0);
}

Napi::Value ModelObject::encode_ids(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  EncodeRequest request;
  int64_t padded_length = 0;
  const Status status = guarded([&]() -> Status {
    if (!is_integer(info[4], padded_length) || padded_length < 0 ||
        padded_length > kMaxPaddedLength) {
      return Status(StatusCode::kInvalidArgument, "Expected 0 to 2^24 for padded_length.");
    }
    const auto input_ids = view_of_ints(info[0], "input_ids");
    if (!input_ids.ok()) return input_ids.status();
    const auto types = view_of_ints(info[1], "token_type_ids");
    if (!types.ok()) return types.status();
    const auto cu_seqlens = view_of_ints(info[2], "cu_seqlens");
    if (!cu_seqlens.ok()) return cu_seqlens.status();
    auto output = to_output_options(info[3]);
    if (!output.ok()) return output.status();
    const auto copy = [](LargeVector<int32_t>& to, std::span<const int32_t> from) {
      to.assign(from.begin(), from.end());
    };
    copy(request.encoded.input_ids, input_ids.value());
    copy(request.encoded.token_type_ids, types.value());
    copy(request.encoded.cu_seqlens, cu_seqlens.value());
    request.output = output.value();
    return Status();
  });
  if (!status.ok()) return refuse(env, status);
  return submit(env, std::move(request), HeldTexts(), padded_length);
}

Napi::Value ModelObject::submit(Napi::Env env, EncodeRequest request, HeldTexts texts,
                                int64_t padded_length) {
  Environment* data = Environment::get(env);
  if (engine_ == nullptr || data == nullptr) {
    throw_error(env, Status(StatusCode::kDisposed, "The model has been disposed."));
    return env.Undefined();
  }
  if (request.output.pooler_output && !engine_->backend().geometry().has_pooler) {
    throw_error(env, Status(StatusCode::kTensorMissing, "This checkpoint has no pooler."));
    return env.Undefined();
  }
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return env.Undefined();
  PendingCall* call = data->begin_call(env, deferred, Value(), std::move(texts));
  const OutputOptions output = request.output;
  const std::shared_ptr<Poster> poster = data->poster();
  // On the engine's thread. The posted task owns the result; std::function wants it copyable.
  const Geometry geometry = engine_->backend().geometry();
  const auto completion = [poster, call, output, padded_length, geometry](EncodeResult result) {
    if (padded_length > 0) result.status = pad_result(result, output, geometry, padded_length);
    auto shared = std::make_shared<EncodeResult>(std::move(result));
    poster->post([call, output, shared](napi_env js_env) {
      settle(js_env, call, std::move(*shared), output);
    });
  };
  auto id = engine_->submit(std::move(request), completion);
  if (!id.ok()) {
    reject(env, deferred, id.status());
    data->end_call(env, call);
  }
  Napi::Object handle = Napi::Object::New(env);
  handle.Set("id", Napi::Number::New(env, id.ok() ? static_cast<double>(id.value()) : 0));
  handle.Set("promise", Napi::Value(env, promise));
  return handle;
}

Napi::Value ModelObject::cancel(const Napi::CallbackInfo& info) {
  if (engine_ != nullptr && info[0].IsNumber()) {
    engine_->cancel(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }
  return info.Env().Undefined();
}

Napi::Value ModelObject::trim(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (engine_ == nullptr) return resolved(env);
  const auto work = [engine = engine_]() -> Status {
    engine->trim();
    return Status();
  };
  return Napi::Value(env, run_in_background(env, "fusebert:trim", work, make_undefined));
}

Napi::Value ModelObject::dispose(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (engine_ == nullptr) return resolved(env);
  auto engine = std::make_shared<std::shared_ptr<Engine>>(release_engine());
  const auto work = [engine]() -> Status {
    (*engine)->stop();
    engine->reset();
    return Status();
  };
  return Napi::Value(env, run_in_background(env, "fusebert:dispose", work, make_undefined));
}

Napi::Value ModelObject::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object object = Napi::Object::New(env);
  object.Set("device", description_.device);
  object.Set("name", description_.name);
  object.Set("isa", description_.isa);
  object.Set("dtype", description_.dtype);
  object.Set("threads", Napi::Number::New(env, description_.threads));
  object.Set("weight_bytes",
             Napi::Number::New(env, static_cast<double>(description_.weight_bytes)));
  object.Set("max_batch_tokens",
             Napi::Number::New(env, static_cast<double>(description_.max_batch_tokens)));
  object.Set("reason", reason_);
  return object;
}

}  // namespace fusebert::node
