// A CUDA driver that answers some calls with an error and passes all others on to a real one:
// FAULTY_DRIVER_BEHIND is that one's file. FAULTY_DRIVER_ERRORS is a list "name=error;name=error"
// of functions and CUresults; the names cubin and ptx are cuModuleLoadData of such an image.
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace {

constexpr int kInvalidValue = 1;

using GetAddress = int (*)(const char*, void**, int, std::uint64_t, void*);
using LoadModule = int (*)(void**, const void*);

void* behind(const char* function) {
  static void* const library = dlopen(std::getenv("FAULTY_DRIVER_BEHIND"), RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? nullptr : dlsym(library, function);
}

const std::map<std::string, int>& errors() {
  static const std::map<std::string, int> all = [] {
    std::map<std::string, int> read;
    const char* list = std::getenv("FAULTY_DRIVER_ERRORS");
    std::string rest = list == nullptr ? "" : list;
    while (!rest.empty()) {
      const std::string one = rest.substr(0, rest.find(';'));
      rest.erase(0, one.size() + 1);
      read[one.substr(0, one.find('='))] = std::atoi(one.c_str() + one.find('=') + 1);
    }
    return read;
  }();
  return all;
}

int error_of(const std::string& name) {
  const auto found = errors().find(name);
  return found == errors().end() ? 0 : found->second;
}

// A function without parameters may stand for one with any.
constexpr int kMostFaults = 4;
int faults[kMostFaults];
template <int kSlot>
int fail() {
  return faults[kSlot];
}

void* failing(int error) {
  void* const functions[kMostFaults] = {
      reinterpret_cast<void*>(&fail<0>), reinterpret_cast<void*>(&fail<1>),
      reinterpret_cast<void*>(&fail<2>), reinterpret_cast<void*>(&fail<3>)};
  static int used = 0;
  if (used == kMostFaults) std::abort();
  faults[used] = error;
  return functions[used++];
}

LoadModule load_behind = nullptr;

int load_module(void** module, const void* image) {
  const bool is_cubin = std::memcmp(image, "\177ELF", 4) == 0;
  const int error = error_of(is_cubin ? "cubin" : "ptx");
  return error != 0 ? error : load_behind(module, image);
}

}  // namespace

extern "C" {

int cuDriverGetVersion(int* version) {
  const auto function = reinterpret_cast<int (*)(int*)>(behind("cuDriverGetVersion"));
  return function == nullptr ? kInvalidValue : function(version);
}

int cuGetProcAddress_v2(const char* name, void** found, int version, std::uint64_t flags,
                        void* status) {
  const auto get = reinterpret_cast<GetAddress>(behind("cuGetProcAddress_v2"));
  if (get == nullptr) return kInvalidValue;
  const int result = get(name, found, version, flags, status);
  if (result != 0) return result;
  if (const int error = error_of(name); error != 0) *found = failing(error);
  if (std::strcmp(name, "cuModuleLoadData") == 0) {
    load_behind = reinterpret_cast<LoadModule>(*found);
    *found = reinterpret_cast<void*>(&load_module);
  }
  return result;
}

}  // extern "C"
