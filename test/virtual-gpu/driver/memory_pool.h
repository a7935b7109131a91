// Memory pools: where stream-ordered allocations come from, and what is counted of them.
//
// Every allocation is made anew, so that a use after its cuMemFreeAsync is found; a pool keeps no
// memory, whatever its release threshold says, and its reserved memory is what is in use.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace virtual_gpu {

/// What a CUmemoryPool points to.
class MemoryPool {
 public:
  explicit MemoryPool(int ordinal) : ordinal_(ordinal) {}

  int ordinal() const { return ordinal_; }

  void add(std::uint64_t address, std::uint64_t bytes);
  /// False if the address is none of this pool's.
  bool remove(std::uint64_t address);

  /// CUDA_ERROR_INVALID_VALUE for what cannot be set.
  CUresult set(CUmemPool_attribute attribute, const void* value);
  CUresult get(CUmemPool_attribute attribute, void* value) const;

 private:
  int ordinal_;                     // of its device
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> allocations_;  // bytes by address
  std::uint64_t used_ = 0;
  std::uint64_t high_ = 0;
  std::uint64_t release_threshold_ = 0;
  // Whether memory may be used again in another stream; nothing is here.
  int reuse_event_dependencies_ = 1;
  int reuse_opportunistic_ = 1;
  int reuse_internal_dependencies_ = 1;
};

}  // namespace virtual_gpu
