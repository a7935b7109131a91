#include "driver/memory_pool.h"

#include <algorithm>
#include <cstring>

namespace virtual_gpu {

void MemoryPool::add(std::uint64_t address, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  allocations_[address] = bytes;
  used_ += bytes;
  high_ = std::max(high_, used_);
}

bool MemoryPool::remove(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = allocations_.find(address);
  if (found == allocations_.end()) return false;
  used_ -= found->second;
  allocations_.erase(found);
  return true;
}

CUresult MemoryPool::set(CUmemPool_attribute attribute, const void* value) {
  const std::lock_guard lock(mutex_);
  const auto take = [value](auto& field) {
    std::memcpy(&field, value, sizeof field);
    return CUDA_SUCCESS;
  };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES: return take(reuse_event_dependencies_);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC: return take(reuse_opportunistic_);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return take(reuse_internal_dependencies_);
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: return take(release_threshold_);
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: {
      // Only 0 can be set: the high-water mark begins anew.
      std::uint64_t mark;
      std::memcpy(&mark, value, sizeof mark);
      if (mark != 0) return CUDA_ERROR_INVALID_VALUE;
      high_ = used_;
      return CUDA_SUCCESS;
    }
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult MemoryPool::get(CUmemPool_attribute attribute, void* value) const {
  const std::lock_guard lock(mutex_);
  const auto give = [value](const auto& field) {
    std::memcpy(value, &field, sizeof field);
    return CUDA_SUCCESS;
  };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES: return give(reuse_event_dependencies_);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC: return give(reuse_opportunistic_);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return give(reuse_internal_dependencies_);
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: return give(release_threshold_);
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: return give(used_);
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: return give(high_);
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace virtual_gpu
