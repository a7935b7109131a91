#include "driver/faults.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "driver/state.h"

namespace virtual_gpu {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

Faults& Faults::instance() {
  static auto* faults = new Faults;
  return *faults;
}

Faults::Faults() {
  const char* list = std::getenv("VIRTUAL_GPU_FAULTS");
  if (list != nullptr && !set(list)) {
    std::fprintf(stderr, "virtual GPU: VIRTUAL_GPU_FAULTS cannot be read: %s\n", list);
  }
}

void Faults::clear() {
  allocation_ = launch_ = sticky_ = lost_ = 0;
  largest_.reset();
  version_.reset();
  no_device_ = false;
  missing_.clear();
}

bool Faults::set_one(const std::string& name, const std::string& value) {
  if (name == "without") {
    missing_ = split(value, ',');
    return true;
  }
  const auto amount = number(value);
  if (!amount) return false;
  if (name == "alloc") allocation_ = *amount;
  else if (name == "alloc-above") largest_ = *amount;
  else if (name == "launch") launch_ = *amount;
  else if (name == "sticky") sticky_ = *amount;
  else if (name == "lost") lost_ = *amount;
  else if (name == "driver") version_ = static_cast<int>(*amount);
  else if (name == "no-device") no_device_ = *amount != 0;
  else return false;
  return true;
}

bool Faults::set(const std::string& list) {
  const std::lock_guard lock(mutex_);
  clear();
  for (const std::string& part : split(list, ';')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos ||
        !set_one(part.substr(0, equals), part.substr(equals + 1))) {
      clear();
      return false;
    }
  }
  return true;
}

bool Faults::due(std::uint64_t& countdown) { return countdown != 0 && --countdown == 0; }

bool Faults::allocation_fails(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const bool counted = due(allocation_);
  return counted || (largest_ && bytes > *largest_);
}

bool Faults::launch_is_refused() {
  const std::lock_guard lock(mutex_);
  return due(launch_);
}

std::optional<CUresult> Faults::kernel_fails() {
  const std::lock_guard lock(mutex_);
  const bool lost = due(lost_);
  const bool failed = due(sticky_);
  if (lost) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  if (failed) return CUDA_ERROR_LAUNCH_FAILED;
  return std::nullopt;
}

std::optional<int> Faults::driver_version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

bool Faults::no_device() const {
  const std::lock_guard lock(mutex_);
  return no_device_;
}

bool Faults::lacks(const std::string& function) const {
  const std::lock_guard lock(mutex_);
  return std::find(missing_.begin(), missing_.end(), function) != missing_.end();
}

}  // namespace virtual_gpu

int virtual_gpu_set_faults(const char* list) {
  virtual_gpu::Driver& driver = virtual_gpu::Driver::instance();
  for (int i = 0; i < driver.device_count(); ++i) driver.device(i)->lost = false;
  return virtual_gpu::Faults::instance().set(list == nullptr ? "" : list) ? 0 : 1;
}
