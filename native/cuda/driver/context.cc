// Looking at devices, making contexts, and finding out what became of them.
#include "cuda/driver/context.h"

#include <array>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

namespace fusebert::cuda {
namespace {

constexpr std::chrono::seconds kLongestScope{10};

// The contexts of this process, by driver and device.
struct Registry {
  std::mutex mutex;
  std::map<std::pair<const Api*, int>, std::weak_ptr<const Context>> contexts;
};

Registry& registry() {
  // Never destroyed: threads may still load models when the process ends.
  static Registry& all = *new Registry();
  return all;
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
  const std::lock_guard lock(registry().mutex);
  std::weak_ptr<const Context>& known = registry().contexts[{&api, ordinal}];
  const std::shared_ptr<const Context> present = known.lock();
  if (present != nullptr && !present->lost()) return present;
  if (present != nullptr) FUSEBERT_RETURN_IF_ERROR(present->end_lost());
  auto properties = device_properties(api, ordinal);
  if (!properties.ok()) return properties.status();
  CUdevice device = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceGet(&device, ordinal));
  std::shared_ptr<Context> context(new Context(api, device, std::move(properties.value())));
  FUSEBERT_RETURN_IF_ERROR(context->create());
  known = context;
  return std::shared_ptr<const Context>(std::move(context));
}

Status Context::create() {
  // Threads that wait for long sleep; wait_for() spins first, where the end may be near.
  FUSEBERT_CUDA_CHECK(api_, cuCtxCreate(&context_, nullptr, CU_CTX_SCHED_BLOCKING_SYNC, device_));
  CUcontext popped = nullptr;
  FUSEBERT_CUDA_CHECK(api_, cuCtxPopCurrent(&popped));
  return Status();
}

Context::~Context() {
  if (context_ != nullptr) api_.cuCtxDestroy(context_);
}

// Whoever is in its scope finds every call refused, and leaves soon; nobody enters any more.
Status Context::end_lost() const {
  const auto latest = std::chrono::steady_clock::now() + kLongestScope;
  while (scopes_.load() != 0) {
    if (std::chrono::steady_clock::now() > latest) return state();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (context_ != nullptr) api_.cuCtxDestroy(std::exchange(context_, nullptr));
  return Status();
}

Status Context::state() const {
  if (!lost()) return Status();
  const std::lock_guard lock(mutex_);
  return loss_;
}

Status Context::examine(const Status& failure) const {
  if (failure.code() != StatusCode::kDeviceFailed) return failure;
  if (!lost()) {
    // A poisoned context answers every call with its error; others have merely refused one.
    std::size_t free = 0, total = 0;
    if (api_.cuMemGetInfo(&free, &total) == CUDA_SUCCESS) return failure;
    const std::lock_guard lock(mutex_);
    if (loss_.ok()) {
      const std::string advice =
          " What the device held for this process is lost with it: load the model again, or where "
          "the driver refuses that too, start another process.";
      loss_ = Status(failure.code(), failure.message() + advice);
    }
    lost_.store(true);
  }
  return state();
}

}  // namespace fusebert::cuda
