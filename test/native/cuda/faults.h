// Faults of the virtual GPU, set while an object lives; on a real GPU there are none.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>

namespace fusebert::cuda::testing {

class Faults {
 public:
  // As VIRTUAL_GPU_FAULTS: "launch=3".
  explicit Faults(const std::string& list) { set(list.c_str()); }
  ~Faults() { set(""); }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;

  // Whether the driver under test has them.
  static bool possible() { return setter() != nullptr; }

 private:
  using Setter = int (*)(const char*);

  static Setter setter() {
    const char* driver = std::getenv("FUSEBERT_CUDA_DRIVER");
    if (driver == nullptr) return nullptr;
    void* library = dlopen(driver, RTLD_NOW | RTLD_LOCAL);
    return library == nullptr ? nullptr
                              : reinterpret_cast<Setter>(dlsym(library, "virtual_gpu_set_faults"));
  }
  static void set(const char* list) {
    if (setter() != nullptr) setter()(list);
  }
};

}  // namespace fusebert::cuda::testing
