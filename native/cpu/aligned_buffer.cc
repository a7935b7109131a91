// Rounds up to cache lines.
#include "cpu/aligned_buffer.h"

#include <cstdint>
#include <string>

#include "core/large_vector.h"

namespace fusebert::cpu {
namespace {

// Keeps byte counts far inside int64_t.
constexpr int64_t kMaxFloats = int64_t{1} << 40;

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(int64_t floats) {
  AlignedBuffer buffer;
  if (floats <= 0) return buffer;
  const int64_t bytes = round_up(floats, kCacheLineFloats) * static_cast<int64_t>(sizeof(float));
  const bool fits = floats <= kMaxFloats;
  void* const data =
      fits ? allocate_large(static_cast<size_t>(bytes), kCacheLineBytes) : nullptr;
  if (data == nullptr) {
    return Status(StatusCode::kOutOfMemory, "Expected memory for " + std::to_string(floats) +
                                                " floats but the system has none left.");
  }
  buffer.data_.reset(static_cast<float*>(data));
  buffer.size_ = floats;
  return buffer;
}

void AlignedBuffer::Free::operator()(float* data) const { free_large(data); }

}  // namespace fusebert::cpu
