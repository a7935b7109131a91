// Memory for floats that vector loads and the weight stream like: cache-line aligned, and in huge
// pages where it is large and the system has them.
#pragma once

#include <cstdint>
#include <memory>

#include "core/cache_line.h"
#include "core/status.h"

namespace fusebert::cpu {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;

  // Room for `floats` floats, not initialised; kOutOfMemory. Pages cost memory once touched.
  static Result<AlignedBuffer> allocate(int64_t floats);

  float* data() const { return data_.get(); }  // [size()]
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float* data) const;
  };

  std::unique_ptr<float, Free> data_;
  int64_t size_ = 0;
};

// The least multiple of `multiple` that is ≥ value.
constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace fusebert::cpu
