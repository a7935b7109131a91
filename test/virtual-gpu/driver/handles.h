// What applications name by handles: a handle is compared with those that were given out before
// anybody follows it, so that a wrong one is an error and not a crash.
#pragma once

#include <map>
#include <memory>
#include <utility>

namespace virtual_gpu {

/// The owner of all values of one kind.
template <typename T>
class Handles {
 public:
  T* add(std::unique_ptr<T> value) {
    T* handle = value.get();
    owners_.emplace(handle, std::move(value));
    return handle;
  }
  /// Null for a handle of none of these.
  T* find(const void* handle) const {
    const auto found = owners_.find(handle);
    return found == owners_.end() ? nullptr : found->second.get();
  }
  /// Ends the value's life; false for a handle of none of these.
  bool erase(const void* handle) { return owners_.erase(handle) != 0; }
  void clear() { owners_.clear(); }

  auto begin() const { return owners_.begin(); }
  auto end() const { return owners_.end(); }

 private:
  std::map<const void*, std::unique_ptr<T>> owners_;
};

}  // namespace virtual_gpu
