// Initialization, devices, primary contexts, the context stack (CUDA driver API, sections
// "Initialization" to "Context Management").
#include <cstring>
#include <string>

#include "driver/export.h"
#include "driver/faults.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

constexpr int kDriverVersion = 13000;
constexpr int kPitchAlignment = 32;
constexpr int kTextureAlignment = 512;

Device* device_or_null(CUdevice ordinal) { return Driver::instance().device(ordinal); }

CUresult attribute_of(const Profile& p, CUdevice_attribute attribute, int& value) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: value = kMaxThreadsPerBlock; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: value = kMaxThreadsPerBlock; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: value = kMaxThreadsPerBlock; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: value = kMaxBlockZ; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: value = static_cast<int>(kMaxGridX); break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: value = static_cast<int>(kMaxGridYZ); break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: value = static_cast<int>(kMaxGridYZ); break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: value = kSharedPerBlock; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      value = p.shared_per_block_optin;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      value = p.shared_per_multiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK:
      value = p.major >= 8 ? kReservedSharedPerBlock : 0;
      break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: value = 64 << 10; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: value = static_cast<int>(kLanes); break;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: value = 0x7FFFFFFF; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: value = kRegistersPerMultiprocessor; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
      value = kRegistersPerMultiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: value = p.clock_khz; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: value = p.memory_clock_khz; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: value = p.memory_bus_bits; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: value = p.l2_bytes; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: value = p.multiprocessors; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      value = p.threads_per_multiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
      value = p.blocks_per_multiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: value = p.major; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: value = p.minor; break;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: value = kTextureAlignment; break;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT: value = kPitchAlignment; break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: value = 2; break;
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: value = 1; break;
    // What it does not have, and what is merely unknown to it, is 0.
    default: value = 0; break;
  }
  return CUDA_SUCCESS;
}

}  // namespace

VIRTUAL_GPU_API cuInit(unsigned int flags) { return Driver::instance().initialize(flags); }

VIRTUAL_GPU_API cuDriverGetVersion(int* version) {
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *version = Faults::instance().driver_version().value_or(kDriverVersion);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceGetCount(int* count) {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *count = Driver::instance().device_count();
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceGet(CUdevice* device, int ordinal) {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (device_or_null(ordinal) == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceGetName(char* name, int length, CUdevice ordinal) {
  const Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  const std::string text(device->profile->product);
  std::strncpy(name, text.c_str(), static_cast<std::size_t>(length) - 1);
  name[length - 1] = '\0';
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceGetUuid(CUuuid* uuid, CUdevice ordinal) {
  if (device_or_null(ordinal) == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::memset(uuid->bytes, 0, sizeof uuid->bytes);
  std::memcpy(uuid->bytes, "virtual", 7);
  uuid->bytes[15] = static_cast<char>(ordinal);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceTotalMem(std::size_t* bytes, CUdevice ordinal) {
  const Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *bytes = device->profile->memory_bytes;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice ordinal) {
  const Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  if (value == nullptr || attribute >= CU_DEVICE_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
  return attribute_of(*device->profile, attribute, *value);
}

VIRTUAL_GPU_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice ordinal) {
  Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (device->lost) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  const std::lock_guard lock(device->mutex);
  if (device->primary == nullptr) device->primary = std::make_unique<Context>(*device);
  ++device->primary->references;
  *context = reinterpret_cast<CUcontext>(device->primary.get());
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDevicePrimaryCtxRelease(CUdevice ordinal) {
  Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  const std::lock_guard lock(device->mutex);
  if (device->primary == nullptr || device->primary->references == 0) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (--device->primary->references == 0) {
    device->primary->end();
    device->ended.push_back(std::move(device->primary));
    // What was allocated in the context goes with it.
    device->memory = std::make_unique<Memory>(device->profile->memory_bytes);
    const std::lock_guard pools_lock(device->pools_mutex);
    device->default_pool = std::make_shared<MemoryPool>(device->ordinal);
    device->pool = device->default_pool;
    device->pools.clear();
  }
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDevicePrimaryCtxSetFlags(CUdevice ordinal, unsigned int) {
  return device_or_null(ordinal) == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned int* flags, int* active) {
  Device* device = device_or_null(ordinal);
  if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
  const std::lock_guard lock(device->mutex);
  if (flags != nullptr) *flags = 0;
  if (active != nullptr) *active = device->primary != nullptr ? 1 : 0;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxSetCurrent(CUcontext context) {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  std::vector<Context*>& stack = context_stack();
  if (!stack.empty()) stack.pop_back();
  if (context != nullptr) stack.push_back(reinterpret_cast<Context*>(context));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxGetCurrent(CUcontext* context) {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const std::vector<Context*>& stack = context_stack();
  *context = reinterpret_cast<CUcontext>(stack.empty() ? nullptr : stack.back());
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxPushCurrent(CUcontext context) {
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  context_stack().push_back(reinterpret_cast<Context*>(context));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxPopCurrent(CUcontext* context) {
  std::vector<Context*>& stack = context_stack();
  if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context != nullptr) *context = reinterpret_cast<CUcontext>(stack.back());
  stack.pop_back();
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxGetDevice(CUdevice* device) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *device = now.context->device.ordinal;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuCtxSynchronize() {
  const Current now = current_for_unsafe();
  return now.context == nullptr ? now.status : now.context->synchronize();
}

VIRTUAL_GPU_API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  constexpr int kGreatest = -5;
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = kGreatest;
  return CUDA_SUCCESS;
}
