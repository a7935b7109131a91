// Opening the driver, and its words for errors.
#include "cuda/driver/api.h"

#include <cstdlib>
#include <mutex>
#include <string>

#include "cuda/driver/shared_library.h"

namespace fusebert::cuda {
namespace {

#ifdef _WIN32
constexpr const char* kLibraryName = "nvcuda.dll";
#else
constexpr const char* kLibraryName = "libcuda.so.1";
#endif

// What the kernels' images were compiled for: a major version of CUDA runs on its own driver or a
// newer one. NVIDIA's release notes give the driver's number.
constexpr int kOldestVersion = CUDA_VERSION / 1000 * 1000;
constexpr const char* kOldestDriver = "580";
static_assert(CUDA_VERSION / 1000 == 13, "state the driver that this version of CUDA needs");

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Status unavailable(const std::string& message) {
  return Status(StatusCode::kDeviceUnavailable, message);
}

Result<Api> open() {
  const char* chosen = std::getenv("FUSEBERT_CUDA_DRIVER");
  const std::string name = chosen != nullptr && *chosen != '\0' ? chosen : kLibraryName;
  auto library = SharedLibrary::open(name);
  if (!library.ok()) return library.status();

  // These two exist in drivers of every age that matters here.
  const auto get_version = reinterpret_cast<decltype(&::cuDriverGetVersion)>(
      library.value().symbol("cuDriverGetVersion"));
  Api api;
  if (get_version == nullptr || get_version(&api.driver_version) != CUDA_SUCCESS) {
    return unavailable("Expected an NVIDIA driver but " + name + " cannot tell its version.");
  }
  if (api.driver_version < kOldestVersion) {
    return unavailable("Expected an NVIDIA driver for CUDA " + version_text(kOldestVersion) +
                       " (" + kOldestDriver + " or newer) but received one for CUDA " +
                       version_text(api.driver_version) + ": update the driver.");
  }
  const auto get_address = reinterpret_cast<decltype(&::cuGetProcAddress)>(
      library.value().symbol("cuGetProcAddress_v2"));
  if (get_address == nullptr) {
    return unavailable("Expected cuGetProcAddress_v2 in " + name + " but it is missing.");
  }

  const auto find = [&](const char* function) -> void* {
    void* found = nullptr;
    const CUresult result =
        get_address(function, &found, CUDA_VERSION, CU_GET_PROC_ADDRESS_DEFAULT, nullptr);
    return result == CUDA_SUCCESS ? found : nullptr;
  };
#define FUSEBERT_REQUIRE(function)                                                     \
  api.function = reinterpret_cast<decltype(api.function)>(find(#function));            \
  if (api.function == nullptr) {                                                       \
    return unavailable("Expected " #function " in " + name + " but it is missing.");   \
  }
  FUSEBERT_CUDA_FUNCTIONS(FUSEBERT_REQUIRE)
#undef FUSEBERT_REQUIRE

  const CUresult result = api.cuInit(0);
  if (result != CUDA_SUCCESS) return unavailable(api.check(result, "cuInit").message());
  return api;
}

}  // namespace

Result<const Api*> Api::get() {
  static std::mutex mutex;
  static Api api;
  const std::lock_guard<std::mutex> lock(mutex);
  if (api.cuInit == nullptr) {
    auto opened = open();
    if (!opened.ok()) return opened.status();
    api = opened.value();
  }
  return const_cast<const Api*>(&api);
}

std::string Api::words(CUresult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  cuGetErrorName(result, &name);
  cuGetErrorString(result, &text);
  return std::string(text == nullptr ? "unknown error" : text) + " (" +
         (name == nullptr ? std::to_string(result) : name) + ")";
}

Status Api::check(CUresult result, const char* what) const {
  if (result == CUDA_SUCCESS) return Status();
  std::string call(what);
  call.resize(std::min(call.size(), call.find('(')));
  const std::string message =
      "The NVIDIA driver's " + call + " failed: " + words(result) + ".";
  return Status(result == CUDA_ERROR_OUT_OF_MEMORY ? StatusCode::kOutOfMemory
                                                   : StatusCode::kDeviceFailed,
                message);
}

}  // namespace fusebert::cuda
