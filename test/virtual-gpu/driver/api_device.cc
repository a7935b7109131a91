// Initialization, devices, primary contexts, the context stack (CUDA driver API, sections
// "Initialization" to "Context Management").
#include <cstring>
#include <string>

#include "driver/export.h"
#include "driver/state.h"
#include "driver/versions.h"

using namespace virtual_gpu;

namespace {

constexpr int kPitchAlignment = 32;
constexpr int kTextureAlignment = 512;

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
      value = p.reserved_shared();
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
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
    case CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED:
      value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO:
      value = p.single_to_double_ratio;
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: value = 1; break;
    // What it does not have, and what is merely unknown to it, is 0.
    default: value = 0; break;
  }
  return CUDA_SUCCESS;
}

}  // namespace

VIRTUAL_GPU_API cuInit(unsigned int flags) try {
  return Driver::instance().initialize(flags);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDriverGetVersion(int* version) try {
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *version = driver_version();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetCount(int* count) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *count = Driver::instance().device_count();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGet(CUdevice* device, int ordinal) try {
  const auto [status, found] = find_device(ordinal);
  if (found == nullptr) return status;
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *device = ordinal;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetName(char* name, int length, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  const std::string text(device->profile->product);
  std::strncpy(name, text.c_str(), static_cast<std::size_t>(length) - 1);
  name[length - 1] = '\0';
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetUuid(CUuuid* uuid, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::memset(uuid->bytes, 0, sizeof uuid->bytes);
  std::memcpy(uuid->bytes, "virtual", 7);
  uuid->bytes[15] = static_cast<char>(ordinal);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceTotalMem(std::size_t* bytes, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *bytes = device->profile->memory_bytes;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute,
                                     CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (value == nullptr || attribute <= 0 ||
      attribute >= CU_DEVICE_ATTRIBUTE_MAX) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return attribute_of(*device->profile, attribute, *value);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (device->lost) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  const std::lock_guard lock(device->mutex);
  if (device->primary == nullptr) device->primary = std::make_unique<Context>(*device);
  ++device->references;
  *context = reinterpret_cast<CUcontext>(device->primary.get());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDevicePrimaryCtxRelease(CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  const std::lock_guard lock(device->mutex);
  if (device->references == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--device->references == 0) device->end_primary();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

// Who retained the context still has to release it.
VIRTUAL_GPU_API cuDevicePrimaryCtxReset(CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  const std::lock_guard lock(device->mutex);
  device->end_primary();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDevicePrimaryCtxSetFlags(CUdevice ordinal, unsigned int) try {
  return find_device(ordinal).status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned int* flags, int* active) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  const std::lock_guard lock(device->mutex);
  if (flags != nullptr) *flags = 0;
  if (active != nullptr) *active = device->primary != nullptr ? 1 : 0;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxCreate(CUcontext* context, CUctxCreateParams* parameters, unsigned int flags,
                            CUdevice ordinal) try {
  const auto [status, device] = find_device(ordinal);
  if (device == nullptr) return status;
  if (context == nullptr || (flags & ~CU_CTX_FLAGS_MASK) != 0) return CUDA_ERROR_INVALID_VALUE;
  if (parameters != nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  if (device->lost) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  const std::lock_guard lock(device->mutex);
  device->own.push_back(std::make_unique<Context>(*device));
  context_stack().push_back(device->own.back().get());
  *context = reinterpret_cast<CUcontext>(device->own.back().get());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxDestroy(CUcontext handle) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!is_context(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  auto* const context = reinterpret_cast<Context*>(handle);
  if (context->ended) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  {
    const std::lock_guard lock(context->device.mutex);
    if (!context->device.end_own(context)) return CUDA_ERROR_INVALID_CONTEXT;
  }
  std::vector<Context*>& stack = context_stack();
  if (!stack.empty() && stack.back() == context) stack.pop_back();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxSetCurrent(CUcontext context) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (context != nullptr && !is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
  std::vector<Context*>& stack = context_stack();
  if (!stack.empty()) stack.pop_back();
  if (context != nullptr) stack.push_back(reinterpret_cast<Context*>(context));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxGetCurrent(CUcontext* context) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const std::vector<Context*>& stack = context_stack();
  *context = reinterpret_cast<CUcontext>(stack.empty() ? nullptr : stack.back());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxPushCurrent(CUcontext context) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
  context_stack().push_back(reinterpret_cast<Context*>(context));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxPopCurrent(CUcontext* context) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  std::vector<Context*>& stack = context_stack();
  if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context != nullptr) *context = reinterpret_cast<CUcontext>(stack.back());
  stack.pop_back();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxGetDevice(CUdevice* device) try {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *device = now.context->device.ordinal;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxSynchronize() try {
  const Current now = current_for_unsafe();
  return now.context == nullptr ? now.status : now.context->synchronize();
} VIRTUAL_GPU_END

// From CUDA 13 on, cuGetProcAddress gives these two, which name a context: null is the current one.
VIRTUAL_GPU_API cuCtxGetDevice_v2(CUdevice* device, CUcontext handle) try {
  if (handle == nullptr) return cuCtxGetDevice(device);
  if (!is_context(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *device = reinterpret_cast<const Context*>(handle)->device.ordinal;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxSynchronize_v2(CUcontext handle) try {
  if (handle == nullptr) return cuCtxSynchronize();
  if (!is_context(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  auto& context = *reinterpret_cast<Context*>(handle);
  if (context.ended) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  const CUresult refused = context.refuse_unsafe();
  return refused == CUDA_SUCCESS ? context.synchronize() : refused;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuCtxGetStreamPriorityRange(int* least, int* greatest) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (least != nullptr) *least = kLeastPriority;
  if (greatest != nullptr) *greatest = kGreatestPriority;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
