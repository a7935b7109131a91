// Making what lives in a context.
#include "cuda/driver/context.h"

#include <array>
#include <string>

namespace fusebert::cuda {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

std::string mebibytes(std::size_t bytes) {
  return std::to_string(static_cast<long long>(static_cast<double>(bytes) / kMebibyte)) + " MiB";
}

// Wraps what a creating call has put into `handle`.
template <class T, class Handle>
Result<T> owned(const ContextPointer& context, CUresult result, const char* what,
                Handle& handle) {
  FUSEBERT_RETURN_IF_ERROR(context->api().check(result, what));
  return T(context, handle);
}

}  // namespace

Result<DeviceProperties> device_properties(const Api& api, int ordinal) {
  int count = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceGetCount(&count));
  if (ordinal < 0 || ordinal >= count) {
    return Status(StatusCode::kDeviceUnavailable,
                  "Expected a CUDA device below " + std::to_string(count) + " but received cuda:" +
                      std::to_string(ordinal) + ".");
  }
  CUdevice device = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceGet(&device, ordinal));
  std::array<char, 256> name{};
  FUSEBERT_CUDA_CHECK(api, cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, device));
  DeviceProperties properties;
  properties.ordinal = ordinal;
  properties.name = name.data();
  int major = 0, minor = 0;
  FUSEBERT_CUDA_CHECK(
      api, cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
  FUSEBERT_CUDA_CHECK(
      api, cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
  properties.architecture = 10 * major + minor;
  FUSEBERT_CUDA_CHECK(api,
                      cuDeviceGetAttribute(&properties.multiprocessors,
                                           CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
  return properties;
}

Result<std::shared_ptr<const Context>> Context::open(const Api& api, int ordinal) {
  auto properties = device_properties(api, ordinal);
  if (!properties.ok()) return properties.status();
  CUdevice device = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceGet(&device, ordinal));
  std::shared_ptr<Context> context(new Context(api, device, std::move(properties.value())));
  FUSEBERT_CUDA_CHECK(api, cuDevicePrimaryCtxRetain(&context->context_, device));
  FUSEBERT_RETURN_IF_ERROR(context->use());
  return std::shared_ptr<const Context>(std::move(context));
}

Context::~Context() {
  if (context_ != nullptr) api_.cuDevicePrimaryCtxRelease(device_);
}

Result<Stream> create_stream(const ContextPointer& context) {
  CUstream stream = nullptr;
  const CUresult result = context->api().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  return owned<Stream>(context, result, "cuStreamCreate", stream);
}

Result<Event> create_event(const ContextPointer& context) {
  CUevent event = nullptr;
  const CUresult result = context->api().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
  return owned<Event>(context, result, "cuEventCreate", event);
}

Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes) {
  CUdeviceptr address = 0;
  const CUresult result = context->api().cuMemAlloc(&address, bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    std::size_t free = 0, total = 0;
    context->api().cuMemGetInfo(&free, &total);
    return Status(StatusCode::kOutOfMemory,
                  "Expected " + mebibytes(bytes) + " of memory on " + context->name() + " but " +
                      mebibytes(free) + " of " + mebibytes(total) + " are free.");
  }
  return owned<DeviceMemory>(context, result, "cuMemAlloc", address);
}

Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes) {
  void* memory = nullptr;
  const CUresult result = context->api().cuMemHostAlloc(&memory, bytes, 0);
  return owned<PinnedMemory>(context, result, "cuMemHostAlloc", memory);
}

Result<Module> load_module(const ContextPointer& context, const void* image) {
  CUmodule module = nullptr;
  const CUresult result = context->api().cuModuleLoadData(&module, image);
  return owned<Module>(context, result, "cuModuleLoadData", module);
}

}  // namespace fusebert::cuda
