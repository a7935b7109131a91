// A CUDA driver whose devices say that they are of an older architecture, so that the kernels of
// that one run on a newer GPU: OLDER_DRIVER_ARCHITECTURE is 80 for sm_80. All else is the driver's
// of OLDER_DRIVER_BEHIND, by default the system's; it compiles the PTX for what the GPU really is.
#include <cuda.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

namespace {

using GetAddress = CUresult (*)(const char*, void**, int, cuuint64_t, void*);
using GetAttribute = CUresult (*)(int*, CUdevice_attribute, CUdevice);

void* behind(const char* function) {
  static void* const library = [] {
    const char* name = std::getenv("OLDER_DRIVER_BEHIND");
    return dlopen(name == nullptr ? "libcuda.so.1" : name, RTLD_NOW | RTLD_LOCAL);
  }();
  return library == nullptr ? nullptr : dlsym(library, function);
}

GetAttribute attribute_behind = nullptr;

CUresult get_attribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  const char* text = std::getenv("OLDER_DRIVER_ARCHITECTURE");
  const int architecture = text == nullptr ? 0 : std::atoi(text);
  if (architecture <= 0) return CUDA_ERROR_INVALID_VALUE;
  const CUresult result = attribute_behind(value, attribute, device);
  if (result != CUDA_SUCCESS) return result;
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) *value = architecture / 10;
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) *value = architecture % 10;
  return result;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

CUresult cuDriverGetVersion(int* version) {
  const auto function = reinterpret_cast<CUresult (*)(int*)>(behind("cuDriverGetVersion"));
  return function == nullptr ? CUDA_ERROR_INVALID_VALUE : function(version);
}

// cuda.h makes its name that of its second version.
CUresult cuGetProcAddress(const char* name, void** found, int version, cuuint64_t flags,
                          CUdriverProcAddressQueryResult* status) {
  const auto get = reinterpret_cast<GetAddress>(behind("cuGetProcAddress_v2"));
  if (get == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const CUresult result = get(name, found, version, flags, status);
  if (result == CUDA_SUCCESS && std::strcmp(name, "cuDeviceGetAttribute") == 0) {
    attribute_behind = reinterpret_cast<GetAttribute>(*found);
    *found = reinterpret_cast<void*>(&get_attribute);
  }
  return result;
}

}  // extern "C"
#pragma GCC visibility pop
