// Aligned allocation, with a wish for huge pages.
#include "cpu/aligned_buffer.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fusebert::cpu {
namespace {

constexpr int64_t kHugePageBytes = int64_t{2} << 20;

// Keeps byte counts far inside int64_t.
constexpr int64_t kMaxFloats = int64_t{1} << 40;

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(int64_t floats) {
  AlignedBuffer buffer;
  if (floats <= 0) return buffer;
  const int64_t bytes = round_up(floats, kCacheLineFloats) * static_cast<int64_t>(sizeof(float));
  // Hardware prefetchers stop at page ends, and a weight stream over 4 KiB pages misses the TLB
  // again and again; 2 MiB pages cure both. Small buffers would waste most of one.
  const bool huge = bytes >= 2 * kHugePageBytes;
  const int64_t alignment = huge ? kHugePageBytes : kCacheLineBytes;
  void* data = nullptr;
  if (floats <= kMaxFloats) {
    // aligned_alloc takes only multiples of the alignment; the last page may stay untouched.
    data = std::aligned_alloc(static_cast<size_t>(alignment),
                              static_cast<size_t>(round_up(bytes, alignment)));
  }
  if (data == nullptr) {
    return Status(StatusCode::kOutOfMemory, "Expected memory for " + std::to_string(floats) +
                                                " floats but the system has none left.");
  }
#if defined(__linux__)
  // Whole huge pages only, so that rounding up costs no memory. A refusal is no loss.
  const auto whole = static_cast<size_t>(bytes / kHugePageBytes * kHugePageBytes);
  if (huge) madvise(data, whole, MADV_HUGEPAGE);
#endif
  buffer.data_.reset(static_cast<float*>(data));
  buffer.size_ = floats;
  return buffer;
}

void AlignedBuffer::Free::operator()(float* data) const { std::free(data); }

}  // namespace fusebert::cpu
