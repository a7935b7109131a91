// The addon's entry point: what JavaScript can call. lib/native/addon.ts describes it.
#include <napi.h>

#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "napi/batch_object.h"
#include "napi/cuda.h"
#include "napi/environment.h"
#include "napi/errors.h"
#include "napi/lanes.h"
#include "napi/model_object.h"
#include "napi/tokenizer_object.h"

namespace fusebert::node {
namespace {

Napi::Object device_to_js(Napi::Env env, const DeviceInfo& info) {
  Napi::Object device = Napi::Object::New(env);
  device.Set("device", info.device);
  device.Set("name", info.name);
  device.Set("isa", info.isa);
  if (info.device != "cpu") {
    device.Set("memory_bytes", Napi::Number::New(env, static_cast<double>(info.memory_bytes)));
    return device;
  }
  Napi::Array isas = Napi::Array::New(env);
  for (const std::string& isa : info.isas) isas.Set(isas.Length(), isa);
  device.Set("isas", isas);
  device.Set("threads", Napi::Number::New(env, info.threads));
  return device;
}

// devices(): (NativeGpu | NativeCpu)[]
Napi::Value devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<DeviceInfo> found;
  const Status status = guarded([&]() -> Status {
    auto listed = list_devices();
    if (listed.ok()) found = std::move(listed.value());
    return listed.status();
  });
  if (!status.ok()) {
    throw_error(env, status);
    return env.Undefined();
  }
  Napi::Array list = Napi::Array::New(env);
  for (const DeviceInfo& device : found) list.Set(list.Length(), device_to_js(env, device));
  return list;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Environment* data = Environment::create(env);
  if (data == nullptr) {
    throw_error(env, Status(StatusCode::kInternal, "The environment could not be set up."));
    return exports;
  }
  data->batch_constructor = Napi::Persistent(BatchObject::define(env));
  data->tokenizer_constructor = Napi::Persistent(TokenizerObject::define(env));
  data->model_constructor = Napi::Persistent(ModelObject::define(env));
  exports.Set("version", FUSEBERT_VERSION);
  exports.Set("devices", Napi::Function::New<devices>(env, "devices"));
  exports.Set("findCudaDevice", Napi::Function::New<find_cuda_device>(env, "findCudaDevice"));
  exports.Set("cudaImages", Napi::Function::New<list_cuda_images>(env, "cudaImages"));
  exports.Set("cudaImage", Napi::Function::New<read_cuda_image>(env, "cudaImage"));
  exports.Set("createTokenizer",
              Napi::Function::New<TokenizerObject::create>(env, "createTokenizer"));
  exports.Set("createLanes", Napi::Function::New<Lanes::create>(env, "createLanes"));
  exports.Set("loadModel", Napi::Function::New<ModelObject::load>(env, "loadModel"));
  return exports;
}

}  // namespace
}  // namespace fusebert::node

// The macro wants an unqualified name.
static Napi::Object fusebert_initialize(Napi::Env env, Napi::Object exports) {
  return fusebert::node::initialize(env, exports);
}

NODE_API_MODULE(fusebert, fusebert_initialize)
