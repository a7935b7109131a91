// A queue that takes all its memory when it is made, so that nothing can fail later.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace fusebert {

template <class T>
class FixedQueue {
 public:
  explicit FixedQueue(size_t capacity) : slots_(capacity) {}

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // With fewer than `capacity` elements in it. Elements keep their places while they are in it.
  template <class... Arguments>
  T& emplace_back(Arguments&&... arguments) {
    std::optional<T>& slot = slots_[(first_ + size_) % slots_.size()];
    slot.emplace(std::forward<Arguments>(arguments)...);
    ++size_;
    return *slot;
  }
  T& front() { return *slots_[first_]; }
  void pop_front() {
    slots_[first_].reset();
    first_ = (first_ + 1) % slots_.size();
    --size_;
  }

 private:
  std::vector<std::optional<T>> slots_;
  size_t first_ = 0, size_ = 0;
};

}  // namespace fusebert
