// A library that is opened at run time and stays open until the process ends.
#pragma once

#include <string>

#include "core/status.h"

namespace fusebert::cuda {

class SharedLibrary {
 public:
  // kDeviceUnavailable, with the loader's own words, when there is no such library. `name` is a
  // path or a name that the system's search finds.
  static Result<SharedLibrary> open(const std::string& name);

  // Null when the library does not export it.
  void* symbol(const char* name) const;

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}

  void* handle_;
};

}  // namespace fusebert::cuda
