// Aligned allocation with a wish for huge pages, and fresh pages.
#include "core/large_vector.h"

#include <algorithm>
#include <cstdlib>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

namespace fusebert {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

void* allocate_large(size_t bytes, size_t alignment) {
  // Smaller ones would waste most of a page.
  const bool huge = bytes >= 2 * kHugePageBytes;
  alignment = std::max({alignment, alignof(std::max_align_t), huge ? kHugePageBytes : 1});
  // aligned_alloc takes only multiples of the alignment; the last page may stay untouched.
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (rounded < bytes) return nullptr;
  void* const data = std::aligned_alloc(alignment, std::max(rounded, alignment));
#if defined(__linux__)
  // Whole huge pages only, so that rounding up costs no memory. A refusal is no loss.
  if (huge && data != nullptr) {
    madvise(data, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
  }
#endif
  return data;
}

void free_large(void* data) { std::free(data); }

#if defined(MAP_ANONYMOUS)
void* allocate_zeros(size_t bytes) {
  void* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void free_zeros(void* data, size_t bytes) { munmap(data, bytes); }
#else
void* allocate_zeros(size_t bytes) { return std::calloc(bytes, 1); }

void free_zeros(void* data, size_t) { std::free(data); }
#endif

}  // namespace fusebert
