// cuGetProcAddress: functions by their names without a version, as loaders ask for them. A plain
// symbol cannot be taken back, so injected absences show here alone.
#include <array>
#include <cstring>

#include "driver/export.h"
#include "driver/faults.h"

namespace {

struct EntryPoint {
  const char* name;
  void* address;
};

// cuda.h renames a function to its present version, the string keeps the plain name.
#define VIRTUAL_GPU_ENTRY(function) EntryPoint{#function, reinterpret_cast<void*>(&function)}

const std::array kEntryPoints{
    VIRTUAL_GPU_ENTRY(cuInit),
    VIRTUAL_GPU_ENTRY(cuDriverGetVersion),
    VIRTUAL_GPU_ENTRY(cuDeviceGetCount),
    VIRTUAL_GPU_ENTRY(cuDeviceGet),
    VIRTUAL_GPU_ENTRY(cuDeviceGetName),
    VIRTUAL_GPU_ENTRY(cuDeviceGetUuid),
    VIRTUAL_GPU_ENTRY(cuDeviceTotalMem),
    VIRTUAL_GPU_ENTRY(cuDeviceGetAttribute),
    VIRTUAL_GPU_ENTRY(cuDevicePrimaryCtxRetain),
    VIRTUAL_GPU_ENTRY(cuDevicePrimaryCtxRelease),
    VIRTUAL_GPU_ENTRY(cuDevicePrimaryCtxSetFlags),
    VIRTUAL_GPU_ENTRY(cuDevicePrimaryCtxGetState),
    VIRTUAL_GPU_ENTRY(cuCtxSetCurrent),
    VIRTUAL_GPU_ENTRY(cuCtxGetCurrent),
    VIRTUAL_GPU_ENTRY(cuCtxPushCurrent),
    VIRTUAL_GPU_ENTRY(cuCtxPopCurrent),
    VIRTUAL_GPU_ENTRY(cuCtxGetDevice),
    VIRTUAL_GPU_ENTRY(cuCtxSynchronize),
    VIRTUAL_GPU_ENTRY(cuCtxGetStreamPriorityRange),
    VIRTUAL_GPU_ENTRY(cuMemAlloc),
    VIRTUAL_GPU_ENTRY(cuMemFree),
    VIRTUAL_GPU_ENTRY(cuMemAllocAsync),
    VIRTUAL_GPU_ENTRY(cuMemFreeAsync),
    VIRTUAL_GPU_ENTRY(cuMemAllocFromPoolAsync),
    VIRTUAL_GPU_ENTRY(cuDeviceGetDefaultMemPool),
    VIRTUAL_GPU_ENTRY(cuDeviceGetMemPool),
    VIRTUAL_GPU_ENTRY(cuDeviceSetMemPool),
    VIRTUAL_GPU_ENTRY(cuMemPoolCreate),
    VIRTUAL_GPU_ENTRY(cuMemPoolDestroy),
    VIRTUAL_GPU_ENTRY(cuMemPoolTrimTo),
    VIRTUAL_GPU_ENTRY(cuMemPoolSetAttribute),
    VIRTUAL_GPU_ENTRY(cuMemPoolGetAttribute),
    VIRTUAL_GPU_ENTRY(cuMemGetInfo),
    VIRTUAL_GPU_ENTRY(cuMemHostAlloc),
    VIRTUAL_GPU_ENTRY(cuMemAllocHost),
    VIRTUAL_GPU_ENTRY(cuMemFreeHost),
    VIRTUAL_GPU_ENTRY(cuMemHostRegister),
    VIRTUAL_GPU_ENTRY(cuMemHostUnregister),
    VIRTUAL_GPU_ENTRY(cuMemHostGetDevicePointer),
    VIRTUAL_GPU_ENTRY(cuPointerGetAttribute),
    VIRTUAL_GPU_ENTRY(cuMemcpy),
    VIRTUAL_GPU_ENTRY(cuMemcpyHtoD),
    VIRTUAL_GPU_ENTRY(cuMemcpyDtoH),
    VIRTUAL_GPU_ENTRY(cuMemcpyDtoD),
    VIRTUAL_GPU_ENTRY(cuMemcpyAsync),
    VIRTUAL_GPU_ENTRY(cuMemcpyHtoDAsync),
    VIRTUAL_GPU_ENTRY(cuMemcpyDtoHAsync),
    VIRTUAL_GPU_ENTRY(cuMemcpyDtoDAsync),
    VIRTUAL_GPU_ENTRY(cuMemsetD8),
    VIRTUAL_GPU_ENTRY(cuMemsetD16),
    VIRTUAL_GPU_ENTRY(cuMemsetD32),
    VIRTUAL_GPU_ENTRY(cuMemsetD8Async),
    VIRTUAL_GPU_ENTRY(cuMemsetD16Async),
    VIRTUAL_GPU_ENTRY(cuMemsetD32Async),
    VIRTUAL_GPU_ENTRY(cuStreamCreate),
    VIRTUAL_GPU_ENTRY(cuStreamCreateWithPriority),
    VIRTUAL_GPU_ENTRY(cuStreamDestroy),
    VIRTUAL_GPU_ENTRY(cuStreamSynchronize),
    VIRTUAL_GPU_ENTRY(cuStreamQuery),
    VIRTUAL_GPU_ENTRY(cuStreamGetPriority),
    VIRTUAL_GPU_ENTRY(cuStreamGetFlags),
    VIRTUAL_GPU_ENTRY(cuStreamWaitEvent),
    VIRTUAL_GPU_ENTRY(cuLaunchHostFunc),
    VIRTUAL_GPU_ENTRY(cuEventCreate),
    VIRTUAL_GPU_ENTRY(cuEventDestroy),
    VIRTUAL_GPU_ENTRY(cuEventRecord),
    VIRTUAL_GPU_ENTRY(cuEventQuery),
    VIRTUAL_GPU_ENTRY(cuEventSynchronize),
    VIRTUAL_GPU_ENTRY(cuEventElapsedTime),
    VIRTUAL_GPU_ENTRY(cuModuleLoad),
    VIRTUAL_GPU_ENTRY(cuModuleLoadData),
    VIRTUAL_GPU_ENTRY(cuModuleLoadDataEx),
    VIRTUAL_GPU_ENTRY(cuModuleUnload),
    VIRTUAL_GPU_ENTRY(cuModuleGetFunction),
    VIRTUAL_GPU_ENTRY(cuModuleGetGlobal),
    VIRTUAL_GPU_ENTRY(cuModuleGetLoadingMode),
    VIRTUAL_GPU_ENTRY(cuLibraryLoadData),
    VIRTUAL_GPU_ENTRY(cuLibraryUnload),
    VIRTUAL_GPU_ENTRY(cuLibraryGetKernel),
    VIRTUAL_GPU_ENTRY(cuLibraryGetModule),
    VIRTUAL_GPU_ENTRY(cuLibraryGetGlobal),
    VIRTUAL_GPU_ENTRY(cuKernelGetFunction),
    VIRTUAL_GPU_ENTRY(cuKernelGetAttribute),
    VIRTUAL_GPU_ENTRY(cuKernelSetAttribute),
    VIRTUAL_GPU_ENTRY(cuFuncGetAttribute),
    VIRTUAL_GPU_ENTRY(cuFuncSetAttribute),
    VIRTUAL_GPU_ENTRY(cuFuncSetCacheConfig),
    VIRTUAL_GPU_ENTRY(cuFuncGetModule),
    VIRTUAL_GPU_ENTRY(cuLaunchKernel),
    VIRTUAL_GPU_ENTRY(cuLaunchKernelEx),
    VIRTUAL_GPU_ENTRY(cuLaunchCooperativeKernel),
    VIRTUAL_GPU_ENTRY(cuOccupancyMaxActiveBlocksPerMultiprocessor),
    VIRTUAL_GPU_ENTRY(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags),
    VIRTUAL_GPU_ENTRY(cuStreamBeginCapture),
    VIRTUAL_GPU_ENTRY(cuStreamEndCapture),
    VIRTUAL_GPU_ENTRY(cuStreamIsCapturing),
    VIRTUAL_GPU_ENTRY(cuThreadExchangeStreamCaptureMode),
    VIRTUAL_GPU_ENTRY(cuGraphGetNodes),
    VIRTUAL_GPU_ENTRY(cuGraphNodeGetType),
    VIRTUAL_GPU_ENTRY(cuGraphDestroy),
    VIRTUAL_GPU_ENTRY(cuGraphInstantiate),
    VIRTUAL_GPU_ENTRY(cuGraphExecDestroy),
    VIRTUAL_GPU_ENTRY(cuGraphExecUpdate),
    VIRTUAL_GPU_ENTRY(cuGraphExecKernelNodeSetParams),
    VIRTUAL_GPU_ENTRY(cuGraphKernelNodeGetParams),
    VIRTUAL_GPU_ENTRY(cuGraphLaunch),
    VIRTUAL_GPU_ENTRY(cuGraphUpload),
    VIRTUAL_GPU_ENTRY(cuGetErrorName),
    VIRTUAL_GPU_ENTRY(cuGetErrorString),
    VIRTUAL_GPU_ENTRY(cuGetProcAddress),
};

}  // namespace

VIRTUAL_GPU_API cuGetProcAddress(const char* symbol, void** function, int, cuuint64_t,
                                 CUdriverProcAddressQueryResult* result) {
  if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  for (const EntryPoint& entry : kEntryPoints) {
    if (std::strcmp(entry.name, symbol) != 0) continue;
    if (virtual_gpu::Faults::instance().lacks(symbol)) break;
    *function = entry.address;
    if (result != nullptr) *result = CU_GET_PROC_ADDRESS_SUCCESS;
    return CUDA_SUCCESS;
  }
  *function = nullptr;
  if (result != nullptr) *result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return CUDA_ERROR_NOT_FOUND;
}
