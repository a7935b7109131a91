// A loaded model as JavaScript holds it; lib/native/addon.ts describes its methods.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "engine/engine.h"
#include "napi/environment.h"
#include "napi/held.h"

namespace fusebert::node {

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // loadModel(spec): Promise<NativeModel>
  static Napi::Value load(const Napi::CallbackInfo& info);

  // What load() hands to the constructor.
  struct Loaded {
    std::shared_ptr<Engine> engine;
    std::string reason;
  };

  explicit ModelObject(const Napi::CallbackInfo& info);
  ~ModelObject() override;

 private:
  Napi::Value encode_texts(const Napi::CallbackInfo& info);
  Napi::Value encode_ids(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value trim(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);

  // Hands the request to the engine and returns { id, promise }. padded_length > 0: hidden states
  // come back as [sequences, padded_length, hidden].
  // `texts` are those of the request, if it has any.
  Napi::Value submit(Napi::Env env, EncodeRequest request, HeldTexts texts,
                     int64_t padded_length);
  // Takes the engine out of this object and of the environment's set.
  std::shared_ptr<Engine> release_engine();

  std::shared_ptr<Engine> engine_;  // null once disposed of
  std::shared_ptr<EngineSet> engines_;
  BackendDescription description_;
  std::string reason_;
};

}  // namespace fusebert::node
