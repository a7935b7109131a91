// Device and pinned memory (CUDA driver API, section "Memory Management").
#include <string>

#include "driver/allocation.h"
#include "driver/export.h"
#include "driver/faults.h"
#include "driver/state.h"

using namespace virtual_gpu;

CUresult virtual_gpu::allocate(Context& context, CUdeviceptr* address, std::size_t bytes,
                               const char* by) {
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (Faults::instance().allocation_fails(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  std::uint64_t number;
  {
    const std::lock_guard lock(context.mutex);
    number = ++context.allocations;
  }
  const Allocation* allocation = context.device.memory->allocate(
      bytes, MemoryKind::kDevice,
      std::string(by) + " #" + std::to_string(number) + " of " + std::to_string(bytes) + " bytes");
  if (allocation == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = allocation->address;
  const std::lock_guard lock(context.mutex);
  context.device_memory.insert(*address);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuMemAlloc(CUdeviceptr* address, std::size_t bytes) try {
  const Current now = current_for_unsafe();
  if (now.status != CUDA_SUCCESS) return now.status;
  return allocate(*now.context, address, bytes, "cuMemAlloc");
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemFree(CUdeviceptr address) try {
  const Current now = current_for_unsafe();
  if (now.context == nullptr) return now.status;
  if (address == 0) return CUDA_SUCCESS;
  // Freeing waits for the device, as the real one does.
  const CUresult status = now.context->synchronize();
  if (!now.context->device.memory->free(address)) return CUDA_ERROR_INVALID_VALUE;
  for (Context* context : known_contexts()) {
    const std::lock_guard lock(context->mutex);
    context->device_memory.erase(address);
  }
  leave_pool(now.context->device, address);
  return status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemGetInfo(std::size_t* free, std::size_t* total) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  const Memory& memory = *now.context->device.memory;
  if (free != nullptr) *free = memory.capacity() - memory.used();
  if (total != nullptr) *total = memory.capacity();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemHostAlloc(void** pointer, std::size_t bytes, unsigned int) try {
  const Current now = current_for_unsafe();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (Faults::instance().allocation_fails(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  const Allocation* allocation =
      now.context->device.memory->allocate_pinned(bytes, "pinned host memory");
  if (allocation == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = allocation->data;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemAllocHost(void** pointer, std::size_t bytes) try {
  return cuMemHostAlloc(pointer, bytes, 0);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemFreeHost(void* pointer) try {
  const Current now = current_for_unsafe();
  if (now.context == nullptr) return now.status;
  const CUresult status = now.context->synchronize();
  if (!now.context->device.memory->free(address_of(pointer), MemoryKind::kPinned)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemHostRegister(void* pointer, std::size_t bytes, unsigned int) try {
  const Current now = current_for_unsafe();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const Allocation* allocation = now.context->device.memory->adopt(
      pointer, bytes, MemoryKind::kRegistered, "registered host memory");
  return allocation == nullptr ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemHostUnregister(void* pointer) try {
  const Current now = current_for_unsafe();
  if (now.context == nullptr) return now.status;
  const CUresult status = now.context->synchronize();
  if (!now.context->device.memory->free(address_of(pointer), MemoryKind::kRegistered)) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  return status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemHostGetDevicePointer(CUdeviceptr* address, void* pointer, unsigned int) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (address == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Memory& memory = *now.context->device.memory;
  const Memory::Use use(memory);
  const Allocation* allocation = memory.find(address_of(pointer));
  if (allocation == nullptr || !is_host(allocation->kind)) return CUDA_ERROR_INVALID_VALUE;
  *address = address_of(pointer);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuPointerGetAttribute(void* data, CUpointer_attribute attribute,
                                      CUdeviceptr pointer) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  Memory& memory = *now.context->device.memory;
  const Memory::Use use(memory);
  const Allocation* allocation = memory.find(pointer);
  if (data == nullptr || allocation == nullptr || allocation->freed) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *static_cast<unsigned*>(data) = is_host(allocation->kind) ? CU_MEMORYTYPE_HOST
                                                           : CU_MEMORYTYPE_DEVICE;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      *static_cast<CUdeviceptr*>(data) = pointer;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *static_cast<int*>(data) = now.context->device.ordinal;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
} VIRTUAL_GPU_END
