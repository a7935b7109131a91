// Arrays that may be large: then they are in huge pages where the system has them. Memory that is
// new to the process is taken a page at a time, which costs more than what is written to it, and
// a small page for every 4 KiB is what hardware prefetchers stop at and the TLB runs out of.
#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <vector>

namespace fusebert {

// At least `bytes`, aligned to `alignment` at least, a power of two; null when there is no memory.
// Pages cost memory once touched.
void* allocate_large(size_t bytes, size_t alignment);
void free_large(void* data);

// Zeros, of pages that cost neither time nor memory until they are touched where the system has
// such; null when there is no memory. `bytes` is not 0.
void* allocate_zeros(size_t bytes);
void free_zeros(void* data, size_t bytes);

template <typename T>
struct LargeAllocator {
  using value_type = T;

  LargeAllocator() = default;
  template <typename U>
  explicit LargeAllocator(const LargeAllocator<U>&) {}

  T* allocate(size_t count) {
    void* const data = count > std::numeric_limits<size_t>::max() / sizeof(T)
                           ? nullptr
                           : allocate_large(count * sizeof(T), alignof(T));
    if (data == nullptr) throw std::bad_alloc();
    return static_cast<T*>(data);
  }
  void deallocate(T* data, size_t) { free_large(data); }

  bool operator==(const LargeAllocator&) const = default;
};

template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace fusebert
