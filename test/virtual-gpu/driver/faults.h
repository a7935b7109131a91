// Faults on demand: what real machines do now and then, and applications must survive.
//
// VIRTUAL_GPU_FAULTS, or virtual_gpu_set_faults() at any time, is a list "name=value;name=value":
//
//   alloc=N          the N-th allocation from now fails with CUDA_ERROR_OUT_OF_MEMORY
//   alloc-above=B    every allocation of more than B bytes fails so
//   launch=N         the N-th launch from now is refused with CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
//   sticky=N         the N-th kernel that runs from now fails: CUDA_ERROR_LAUNCH_FAILED, for good
//   lost=N           at the N-th kernel from now, also within a graph, the device is lost:
//                    CUDA_ERROR_DEVICE_UNAVAILABLE, until faults are set anew
//   driver=V         the driver's version, 12080 for 12.8, with the functions and PTX of that one
//   no-device=1      cuInit finds no device
//   without=A,B      cuGetProcAddress does not know these functions
#pragma once

#include <cuda.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace virtual_gpu {

class Faults {
 public:
  static Faults& instance();

  /// Replaces all faults; false, and none, where the list cannot be read.
  bool set(const std::string& list);

  bool allocation_fails(std::uint64_t bytes);
  bool launch_is_refused();
  /// The error that the next kernel ends with, if it does not run.
  std::optional<CUresult> kernel_fails();
  std::optional<int> driver_version() const;
  bool no_device() const;
  bool lacks(const std::string& function) const;

 private:
  Faults();
  /// Counts down; true at the N-th call.
  static bool due(std::uint64_t& countdown);
  bool set_one(const std::string& name, const std::string& value);
  void clear();

  mutable std::mutex mutex_;
  std::uint64_t allocation_ = 0;   // calls until the fault; 0: none
  std::uint64_t launch_ = 0;
  std::uint64_t sticky_ = 0;
  std::uint64_t lost_ = 0;
  std::optional<std::uint64_t> largest_;
  std::optional<int> version_;
  bool no_device_ = false;
  std::vector<std::string> missing_;
};

}  // namespace virtual_gpu

/// VIRTUAL_GPU_FAULTS from the inside; 0 when the list could be read.
extern "C" __attribute__((visibility("default"))) int virtual_gpu_set_faults(const char* list);
