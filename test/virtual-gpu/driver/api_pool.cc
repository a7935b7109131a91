// Stream-ordered allocations (CUDA driver API, section "Stream Ordered Memory Allocator").
//
// An allocation exists from the call on, not only from its place in the stream: a kernel of another
// stream that uses it too early goes unseen. It ends where the stream comes to its free.
#include <memory>
#include <mutex>
#include <utility>

#include "driver/allocation.h"
#include "driver/export.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

/// The pool that a handle stands for; null for none of the device's.
std::shared_ptr<MemoryPool> find_pool(Device& device, CUmemoryPool handle) {
  const auto* wanted = reinterpret_cast<const MemoryPool*>(handle);
  if (wanted == device.default_pool.get()) return device.default_pool;
  for (const auto& pool : device.pools) {
    if (pool.get() == wanted) return pool;
  }
  return nullptr;
}

/// The same of any device, since pools are named without one, or the error that calls return.
struct FoundPool {
  CUresult status = CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<MemoryPool> pool;
};
FoundPool pool_of(CUmemoryPool handle) {
  Driver& driver = Driver::instance();
  if (!driver.initialized()) return {CUDA_ERROR_NOT_INITIALIZED, nullptr};
  if (handle == nullptr) return {};
  for (int i = 0; i < driver.device_count(); ++i) {
    Device& device = *driver.device(i);
    const std::lock_guard lock(device.pools_mutex);
    if (auto found = find_pool(device, handle)) return {CUDA_SUCCESS, std::move(found)};
  }
  return {};
}

CUresult allocate_from(const std::shared_ptr<MemoryPool>& pool, CUdeviceptr* address,
                       std::size_t bytes, CUstream handle, const char* by) {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (pool->ordinal() != now.context->device.ordinal) return CUDA_ERROR_INVALID_VALUE;
  const CUresult refused = now.stream->context->refuse_if_captured(*now.stream);
  if (refused != CUDA_SUCCESS) return refused;
  const CUresult status = allocate(*now.context, address, bytes, by);
  if (status == CUDA_SUCCESS) pool->add(*address, bytes);
  return status;
}

}  // namespace

void virtual_gpu::leave_pool(Device& device, CUdeviceptr address) {
  const std::lock_guard lock(device.pools_mutex);
  if (device.default_pool->remove(address)) return;
  for (const auto& pool : device.pools) {
    if (pool->remove(address)) return;
  }
}

VIRTUAL_GPU_API cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes, CUstream stream) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  std::shared_ptr<MemoryPool> pool;
  {
    const std::lock_guard lock(now.context->device.pools_mutex);
    pool = now.context->device.pool;
  }
  return allocate_from(pool, address, bytes, stream, "cuMemAllocAsync");
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemAllocFromPoolAsync(CUdeviceptr* address, std::size_t bytes,
                                        CUmemoryPool handle, CUstream stream) try {
  const auto [status, pool] = pool_of(handle);
  if (pool == nullptr) return status;
  return allocate_from(pool, address, bytes, stream, "cuMemAllocFromPoolAsync");
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemFreeAsync(CUdeviceptr address, CUstream handle) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  Context* context = now.context;
  if (now.stream->context != context) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult refused = context->refuse_if_captured(*now.stream);
  if (refused != CUDA_SUCCESS) return refused;
  if (!context->device.memory->queue_free(address)) return CUDA_ERROR_INVALID_VALUE;
  context->add(*now.stream, [=] {
    context->device.memory->free(address);
    leave_pool(context->device, address);
  });
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *pool = reinterpret_cast<CUmemoryPool>(device->default_pool.get());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(device->pools_mutex);
  *pool = reinterpret_cast<CUmemoryPool>(device->pool.get());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceSetMemPool(CUdevice ordinal, CUmemoryPool handle) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  const std::lock_guard lock(device->pools_mutex);
  auto pool = find_pool(*device, handle);
  if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
  device->pool = std::move(pool);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* properties) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (pool == nullptr || properties == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const bool on_device = properties->allocType == CU_MEM_ALLOCATION_TYPE_PINNED &&
                         properties->location.type == CU_MEM_LOCATION_TYPE_DEVICE;
  if (!on_device) return CUDA_ERROR_NOT_SUPPORTED;
  Device* device = Driver::instance().device(properties->location.id);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  auto made = std::make_shared<MemoryPool>(device->ordinal);
  *pool = reinterpret_cast<CUmemoryPool>(made.get());
  const std::lock_guard lock(device->pools_mutex);
  device->pools.insert(std::move(made));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemPoolDestroy(CUmemoryPool handle) try {
  const auto [status, pool] = pool_of(handle);
  if (pool == nullptr) return status;
  Device& device = *Driver::instance().device(pool->ordinal());
  const std::lock_guard lock(device.pools_mutex);
  if (pool == device.default_pool) return CUDA_ERROR_INVALID_VALUE;
  if (pool == device.pool) device.pool = device.default_pool;
  device.pools.erase(pool);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemPoolTrimTo(CUmemoryPool handle, std::size_t) try {
  return pool_of(handle).status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute,
                                      void* value) try {
  const auto [status, pool] = pool_of(handle);
  if (pool == nullptr) return status;
  if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return pool->set(attribute, value);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute,
                                      void* value) try {
  const auto [status, pool] = pool_of(handle);
  if (pool == nullptr) return status;
  if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return pool->get(attribute, value);
} VIRTUAL_GPU_END
