// The door to CUDA devices.
#include "napi/cuda.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "napi/background.h"
#include "napi/convert.h"
#include "napi/cuda_images.h"
#include "napi/errors.h"
#include "napi/take_array.h"

namespace fusebert::node {

Napi::Value find_cuda_device(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t ordinal = 0;
  if (!is_integer(info[0], ordinal) || ordinal < 0 || ordinal > INT32_MAX) {
    throw_error(env, Status(StatusCode::kInvalidArgument, "Expected a device's number."));
    return env.Undefined();
  }
  auto found = std::make_shared<CudaDevice>();
  const auto work = [found, ordinal]() -> Status {
    auto device = fusebert::find_cuda_device(static_cast<int>(ordinal));
    if (device.ok()) *found = std::move(device.value());
    return device.status();
  };
  const auto make_result = [found](napi_env result_env) -> napi_value {
    Napi::Object object = Napi::Object::New(result_env);
    object.Set("ordinal", Napi::Number::New(result_env, found->ordinal));
    object.Set("name", Napi::String::New(result_env, found->name));
    object.Set("architecture", Napi::Number::New(result_env, found->architecture));
    return object;
  };
  return Napi::Value(env, run_in_background(env, "fusebert:findCudaDevice", work, make_result));
}

Napi::Value list_cuda_images(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const CudaImage& image : cuda_images()) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("file", image.file);
    object.Set("type", image.type);
    object.Set("architecture", Napi::Number::New(env, image.architecture));
    object.Set("kind", image.kind);
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Value read_cuda_image(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto images = cuda_images();
  int64_t index = 0;
  if (!is_integer(info[0], index) || index < 0 || index >= static_cast<int64_t>(images.size())) {
    throw_error(env, Status(StatusCode::kInvalidArgument, "Expected the index of an image."));
    return env.Undefined();
  }
  const CudaImage& image = images[static_cast<size_t>(index)];
  const unsigned char* begin = cuda_image_bytes() + image.offset;
  return Napi::Value(env, take_array(env, std::vector<uint8_t>(begin, begin + image.size)));
}

Result<CudaRequest> to_cuda_request(const Napi::Value& value) {
  if (!value.IsObject()) return Status(StatusCode::kInvalidArgument, "Expected an object.");
  const auto object = value.As<Napi::Object>();
  CudaRequest request;
  auto ordinals = to_int32s(object.Get("ordinals"), "ordinals");
  if (!ordinals.ok()) return ordinals.status();
  if (ordinals.value().empty()) {
    return Status(StatusCode::kInvalidArgument, "Expected at least one device.");
  }
  request.ordinals.assign(ordinals.value().begin(), ordinals.value().end());
  auto type = to_string(object, "type");
  if (!type.ok()) return type.status();
  request.type = std::move(type.value());
  auto limited_by = to_string(object, "images_limited_by");
  if (!limited_by.ok()) return limited_by.status();
  request.images_limited_by = std::move(limited_by.value());
  const Napi::Value images = object.Get("images");
  if (!images.IsArray()) return Status(StatusCode::kInvalidArgument, "Expected images.");
  const auto list = images.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    if (!item.IsObject()) return Status(StatusCode::kInvalidArgument, "Expected an image.");
    const auto each = item.As<Napi::Object>();
    auto file = to_string(each, "file");
    if (!file.ok()) return file.status();
    auto kind = to_string(each, "kind");
    if (!kind.ok()) return kind.status();
    auto architecture = to_int(each, "architecture");
    if (!architecture.ok()) return architecture.status();
    const Napi::Value data = each.Get("data");
    if (!data.IsTypedArray() || data.As<Napi::TypedArray>().ByteLength() == 0) {
      return Status(StatusCode::kInvalidArgument, "Expected the bytes of an image.");
    }
    const auto array = data.As<Napi::TypedArray>();
    const auto* bytes =
        static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    request.images.push_back({.file = std::move(file.value()),
                              .kind = std::move(kind.value()),
                              .architecture = static_cast<int>(architecture.value()),
                              .bytes = std::string(bytes, array.ByteLength())});
  }
  return request;
}

}  // namespace fusebert::node
