// What the addon keeps for one JavaScript environment (the main thread, or a worker): its poster,
// its engines and its calls under way. Ends with the environment, before Node tears it down.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>

#include "engine/engine.h"
#include "napi/held.h"
#include "napi/poster.h"

namespace fusebert::node {

// A promise that waits for an engine, and what must outlive it: the model object, and the texts
// that the engine reads. Made and destroyed on the JavaScript thread.
struct PendingCall {
  napi_deferred deferred = nullptr;
  Napi::ObjectReference model;
  HeldTexts texts;
};

using EngineSet = std::unordered_set<std::shared_ptr<Engine>>;

class Environment {
 public:
  // Creates the environment's data; null when Node refuses.
  static Environment* create(Napi::Env env);
  static Environment* get(Napi::Env env) { return env.GetInstanceData<Environment>(); }
  ~Environment();

  const std::shared_ptr<Poster>& poster() const { return poster_; }

  // JavaScript thread. Engines in this set are stopped when the environment ends. Shared, because
  // model objects may be finalised before or after this.
  const std::shared_ptr<EngineSet>& engines() const { return engines_; }

  // JavaScript thread. The pending call keeps the process and the model object alive.
  PendingCall* begin_call(napi_env env, napi_deferred deferred, Napi::Object model,
                          HeldTexts texts);
  void end_call(napi_env env, PendingCall* call);

  Napi::FunctionReference batch_constructor;
  Napi::FunctionReference tokenizer_constructor;
  Napi::FunctionReference model_constructor;

 private:
  static void on_cleanup(void* data);

  std::shared_ptr<Poster> poster_;
  std::shared_ptr<EngineSet> engines_ = std::make_shared<EngineSet>();
  std::unordered_set<PendingCall*> calls_;
};

// Makes an object of a class whose constructor takes `native` as an external; it copies what it
// needs. Null when the environment is ending or an exception is pending.
napi_value new_instance(napi_env env, const Napi::FunctionReference& constructor, void* native);

}  // namespace fusebert::node
