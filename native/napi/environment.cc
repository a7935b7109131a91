// The life of an environment's data. Order at its end: engines stop (their threads are joined),
// then the poster closes; after that no thread of ours knows this environment.
#include "napi/environment.h"

#include <utility>

namespace fusebert::node {

Environment* Environment::create(Napi::Env env) {
  auto* data = new Environment;
  data->poster_ = Poster::create(env);
  if (data->poster_ == nullptr) {
    delete data;
    return nullptr;
  }
  // Hooks run in reverse order: ours, added after the poster's function, runs before Node ends it.
  if (napi_add_env_cleanup_hook(env, on_cleanup, data) != napi_ok) {
    delete data;
    return nullptr;
  }
  env.SetInstanceData<Environment>(data);
  return data;
}

Environment::~Environment() {
  for (PendingCall* call : calls_) {
    // The environment is gone, and its references with it.
    call->model.SuppressDestruct();
    call->texts.bytes.SuppressDestruct();
    call->texts.offsets.SuppressDestruct();
    delete call;
  }
  batch_constructor.SuppressDestruct();
  tokenizer_constructor.SuppressDestruct();
  model_constructor.SuppressDestruct();
}

void Environment::on_cleanup(void* data) {
  auto* environment = static_cast<Environment*>(data);
  for (const auto& engine : *environment->engines_) engine->stop();
  environment->engines_->clear();
  environment->poster_->close();
}

PendingCall* Environment::begin_call(napi_env env, napi_deferred deferred, Napi::Object model,
                                     HeldTexts texts) {
  auto* call = new PendingCall{deferred, Napi::Persistent(model), std::move(texts)};
  calls_.insert(call);
  poster_->hold(env);
  return call;
}

void Environment::end_call(napi_env env, PendingCall* call) {
  poster_->release(env);
  calls_.erase(call);
  delete call;
}

napi_value new_instance(napi_env env, const Napi::FunctionReference& constructor, void* native) {
  napi_value external = nullptr;
  napi_value object = nullptr;
  if (napi_create_external(env, native, nullptr, nullptr, &external) != napi_ok) return nullptr;
  const bool made = napi_new_instance(env, constructor.Value(), 1, &external, &object) == napi_ok;
  return made ? object : nullptr;
}

}  // namespace fusebert::node
