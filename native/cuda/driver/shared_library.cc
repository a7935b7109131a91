// Opening libraries on POSIX systems and on Windows.
#include "cuda/driver/shared_library.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace fusebert::cuda {

#ifdef _WIN32

Result<SharedLibrary> SharedLibrary::open(const std::string& name) {
  HMODULE handle = LoadLibraryA(name.c_str());
  if (handle == nullptr) {
    return Status(StatusCode::kDeviceUnavailable, "Expected the NVIDIA driver's library " + name +
                                                      " but Windows error " +
                                                      std::to_string(GetLastError()));
  }
  return SharedLibrary(handle);
}

void* SharedLibrary::symbol(const char* name) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
}

#else

Result<SharedLibrary> SharedLibrary::open(const std::string& name) {
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return Status(StatusCode::kDeviceUnavailable,
                  "Expected the NVIDIA driver's library " + name + " but received: " +
                      (reason == nullptr ? "no reason" : reason));
  }
  return SharedLibrary(handle);
}

void* SharedLibrary::symbol(const char* name) const { return dlsym(handle_, name); }

#endif

}  // namespace fusebert::cuda
