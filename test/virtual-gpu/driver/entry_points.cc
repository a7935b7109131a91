// cuGetProcAddress: functions by their names without a version, as loaders ask for them. And older
// forms of functions, which libcuda.so.1 exports by the names that cuda.h now gives to new ones.
//
// A plain symbol cannot be taken back, so injected absences show in cuGetProcAddress alone.
#include <array>
#include <cstring>

#include "driver/export.h"
#include "driver/faults.h"
#include "driver/versions.h"

// Here these are the older forms.
#undef cuEventElapsedTime
#undef cuGetProcAddress
#undef cuGraphInstantiate

VIRTUAL_GPU_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) try {
  return cuEventElapsedTime_v2(milliseconds, start, end);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphInstantiate_v2(CUgraphExec* result, CUgraph graph, CUgraphNode* error_node,
                                      char* log, std::size_t log_bytes) try {
  if (error_node != nullptr) *error_node = nullptr;
  if (log != nullptr && log_bytes != 0) *log = '\0';
  return cuGraphInstantiateWithFlags(result, graph, 0);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphInstantiate(CUgraphExec* result, CUgraph graph, CUgraphNode* error_node,
                                   char* log, std::size_t log_bytes) try {
  return cuGraphInstantiate_v2(result, graph, error_node, log, log_bytes);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGetProcAddress(const char* symbol, void** function, int version,
                                 cuuint64_t flags) try {
  const CUresult status = cuGetProcAddress_v2(symbol, function, version, flags, nullptr);
  if (status != CUDA_SUCCESS) return status;
  return *function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
} VIRTUAL_GPU_END

// Declared from CUDA 13 on.
extern "C" CUresult CUDAAPI cuCtxGetDevice_v2(CUdevice* device, CUcontext context);
extern "C" CUresult CUDAAPI cuCtxSynchronize_v2(CUcontext context);

namespace {

template <typename Function>
void* as_address(Function* function) {
  return reinterpret_cast<void*>(function);
}

struct EntryPoint {
  int since;  // the version of CUDA that has this form of it (cudaTypedefs.h)
  const char* name;
  void* address;
};

// cuda.h renames a function to its present version, the string keeps the plain name.
#define VIRTUAL_GPU_ENTRY(since, function) EntryPoint{since, #function, as_address(&function)}

/// Of forms of one function the older comes first.
const std::array kEntryPoints{
    VIRTUAL_GPU_ENTRY(2000, cuInit),
    VIRTUAL_GPU_ENTRY(2020, cuDriverGetVersion),
    VIRTUAL_GPU_ENTRY(2000, cuDeviceGetCount),
    VIRTUAL_GPU_ENTRY(2000, cuDeviceGet),
    VIRTUAL_GPU_ENTRY(2000, cuDeviceGetName),
    VIRTUAL_GPU_ENTRY(11040, cuDeviceGetUuid),
    VIRTUAL_GPU_ENTRY(3020, cuDeviceTotalMem),
    VIRTUAL_GPU_ENTRY(2000, cuDeviceGetAttribute),
    VIRTUAL_GPU_ENTRY(7000, cuDevicePrimaryCtxRetain),
    VIRTUAL_GPU_ENTRY(11000, cuDevicePrimaryCtxRelease),
    VIRTUAL_GPU_ENTRY(11000, cuDevicePrimaryCtxReset),
    VIRTUAL_GPU_ENTRY(11000, cuDevicePrimaryCtxSetFlags),
    VIRTUAL_GPU_ENTRY(7000, cuDevicePrimaryCtxGetState),
    EntryPoint{12050, "cuCtxCreate", as_address(&cuCtxCreate)},
    VIRTUAL_GPU_ENTRY(4000, cuCtxDestroy),
    VIRTUAL_GPU_ENTRY(4000, cuCtxSetCurrent),
    VIRTUAL_GPU_ENTRY(4000, cuCtxGetCurrent),
    VIRTUAL_GPU_ENTRY(4000, cuCtxPushCurrent),
    VIRTUAL_GPU_ENTRY(4000, cuCtxPopCurrent),
    VIRTUAL_GPU_ENTRY(2000, cuCtxGetDevice),
    EntryPoint{13000, "cuCtxGetDevice", as_address(&cuCtxGetDevice_v2)},
    VIRTUAL_GPU_ENTRY(2000, cuCtxSynchronize),
    EntryPoint{13000, "cuCtxSynchronize", as_address(&cuCtxSynchronize_v2)},
    VIRTUAL_GPU_ENTRY(5050, cuCtxGetStreamPriorityRange),
    VIRTUAL_GPU_ENTRY(3020, cuMemAlloc),
    VIRTUAL_GPU_ENTRY(3020, cuMemFree),
    VIRTUAL_GPU_ENTRY(11020, cuMemAllocAsync),
    VIRTUAL_GPU_ENTRY(11020, cuMemFreeAsync),
    VIRTUAL_GPU_ENTRY(11020, cuMemAllocFromPoolAsync),
    VIRTUAL_GPU_ENTRY(11020, cuDeviceGetDefaultMemPool),
    VIRTUAL_GPU_ENTRY(11020, cuDeviceGetMemPool),
    VIRTUAL_GPU_ENTRY(11020, cuDeviceSetMemPool),
    VIRTUAL_GPU_ENTRY(11020, cuMemPoolCreate),
    VIRTUAL_GPU_ENTRY(11020, cuMemPoolDestroy),
    VIRTUAL_GPU_ENTRY(11020, cuMemPoolTrimTo),
    VIRTUAL_GPU_ENTRY(11020, cuMemPoolSetAttribute),
    VIRTUAL_GPU_ENTRY(11020, cuMemPoolGetAttribute),
    VIRTUAL_GPU_ENTRY(3020, cuMemGetInfo),
    VIRTUAL_GPU_ENTRY(2020, cuMemHostAlloc),
    VIRTUAL_GPU_ENTRY(3020, cuMemAllocHost),
    VIRTUAL_GPU_ENTRY(2000, cuMemFreeHost),
    VIRTUAL_GPU_ENTRY(6050, cuMemHostRegister),
    VIRTUAL_GPU_ENTRY(4000, cuMemHostUnregister),
    VIRTUAL_GPU_ENTRY(3020, cuMemHostGetDevicePointer),
    VIRTUAL_GPU_ENTRY(4000, cuPointerGetAttribute),
    VIRTUAL_GPU_ENTRY(4000, cuMemcpy),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyHtoD),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyDtoH),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyDtoD),
    VIRTUAL_GPU_ENTRY(4000, cuMemcpyAsync),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyHtoDAsync),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyDtoHAsync),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpyDtoDAsync),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpy2D),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpy2DUnaligned),
    VIRTUAL_GPU_ENTRY(3020, cuMemcpy2DAsync),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD8),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD16),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD32),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD8Async),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD16Async),
    VIRTUAL_GPU_ENTRY(3020, cuMemsetD32Async),
    VIRTUAL_GPU_ENTRY(2000, cuStreamCreate),
    VIRTUAL_GPU_ENTRY(5050, cuStreamCreateWithPriority),
    VIRTUAL_GPU_ENTRY(4000, cuStreamDestroy),
    VIRTUAL_GPU_ENTRY(2000, cuStreamSynchronize),
    VIRTUAL_GPU_ENTRY(2000, cuStreamQuery),
    VIRTUAL_GPU_ENTRY(5050, cuStreamGetPriority),
    VIRTUAL_GPU_ENTRY(5050, cuStreamGetFlags),
    VIRTUAL_GPU_ENTRY(3020, cuStreamWaitEvent),
    VIRTUAL_GPU_ENTRY(10000, cuLaunchHostFunc),
    VIRTUAL_GPU_ENTRY(2000, cuEventCreate),
    VIRTUAL_GPU_ENTRY(4000, cuEventDestroy),
    VIRTUAL_GPU_ENTRY(2000, cuEventRecord),
    VIRTUAL_GPU_ENTRY(2000, cuEventQuery),
    VIRTUAL_GPU_ENTRY(2000, cuEventSynchronize),
    VIRTUAL_GPU_ENTRY(2000, cuEventElapsedTime),
    EntryPoint{12080, "cuEventElapsedTime", as_address(&cuEventElapsedTime_v2)},
    VIRTUAL_GPU_ENTRY(2000, cuModuleLoad),
    VIRTUAL_GPU_ENTRY(2000, cuModuleLoadData),
    VIRTUAL_GPU_ENTRY(2010, cuModuleLoadDataEx),
    VIRTUAL_GPU_ENTRY(2000, cuModuleUnload),
    VIRTUAL_GPU_ENTRY(2000, cuModuleGetFunction),
    VIRTUAL_GPU_ENTRY(3020, cuModuleGetGlobal),
    VIRTUAL_GPU_ENTRY(11070, cuModuleGetLoadingMode),
    VIRTUAL_GPU_ENTRY(12000, cuLibraryLoadData),
    VIRTUAL_GPU_ENTRY(12000, cuLibraryUnload),
    VIRTUAL_GPU_ENTRY(12000, cuLibraryGetKernel),
    VIRTUAL_GPU_ENTRY(12000, cuLibraryGetModule),
    VIRTUAL_GPU_ENTRY(12000, cuLibraryGetGlobal),
    VIRTUAL_GPU_ENTRY(12000, cuKernelGetFunction),
    VIRTUAL_GPU_ENTRY(12000, cuKernelGetAttribute),
    VIRTUAL_GPU_ENTRY(12000, cuKernelSetAttribute),
    VIRTUAL_GPU_ENTRY(2020, cuFuncGetAttribute),
    VIRTUAL_GPU_ENTRY(9000, cuFuncSetAttribute),
    VIRTUAL_GPU_ENTRY(3000, cuFuncSetCacheConfig),
    VIRTUAL_GPU_ENTRY(11000, cuFuncGetModule),
    VIRTUAL_GPU_ENTRY(4000, cuLaunchKernel),
    VIRTUAL_GPU_ENTRY(11060, cuLaunchKernelEx),
    VIRTUAL_GPU_ENTRY(9000, cuLaunchCooperativeKernel),
    VIRTUAL_GPU_ENTRY(6050, cuOccupancyMaxActiveBlocksPerMultiprocessor),
    VIRTUAL_GPU_ENTRY(7000, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags),
    VIRTUAL_GPU_ENTRY(6050, cuOccupancyMaxPotentialBlockSize),
    VIRTUAL_GPU_ENTRY(7000, cuOccupancyMaxPotentialBlockSizeWithFlags),
    VIRTUAL_GPU_ENTRY(10020, cuOccupancyAvailableDynamicSMemPerBlock),
    VIRTUAL_GPU_ENTRY(10010, cuStreamBeginCapture),
    VIRTUAL_GPU_ENTRY(10000, cuStreamEndCapture),
    VIRTUAL_GPU_ENTRY(10000, cuStreamIsCapturing),
    VIRTUAL_GPU_ENTRY(10010, cuThreadExchangeStreamCaptureMode),
    VIRTUAL_GPU_ENTRY(10000, cuGraphGetNodes),
    VIRTUAL_GPU_ENTRY(10000, cuGraphNodeGetType),
    VIRTUAL_GPU_ENTRY(10000, cuGraphDestroy),
    VIRTUAL_GPU_ENTRY(10000, cuGraphInstantiate),
    EntryPoint{11000, "cuGraphInstantiate", as_address(&cuGraphInstantiate_v2)},
    VIRTUAL_GPU_ENTRY(11040, cuGraphInstantiateWithFlags),
    VIRTUAL_GPU_ENTRY(10000, cuGraphExecDestroy),
    VIRTUAL_GPU_ENTRY(12000, cuGraphExecUpdate),
    VIRTUAL_GPU_ENTRY(12000, cuGraphExecKernelNodeSetParams),
    VIRTUAL_GPU_ENTRY(12000, cuGraphKernelNodeGetParams),
    VIRTUAL_GPU_ENTRY(10000, cuGraphLaunch),
    VIRTUAL_GPU_ENTRY(11010, cuGraphUpload),
    VIRTUAL_GPU_ENTRY(6000, cuGetErrorName),
    VIRTUAL_GPU_ENTRY(6000, cuGetErrorString),
    VIRTUAL_GPU_ENTRY(11030, cuGetProcAddress),
    EntryPoint{12000, "cuGetProcAddress", as_address(&cuGetProcAddress_v2)},
};

constexpr cuuint64_t kKnownFlags =
    CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

}  // namespace

VIRTUAL_GPU_API cuGetProcAddress_v2(const char* symbol, void** function, int version,
                                    cuuint64_t flags,
                                    CUdriverProcAddressQueryResult* result) try {
  const int driver = virtual_gpu::driver_version();
  if (symbol == nullptr || function == nullptr || version > driver ||
      (flags & ~kKnownFlags) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *function = nullptr;
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  for (const EntryPoint& entry : kEntryPoints) {
    const bool is_there = entry.since <= driver && std::strcmp(entry.name, symbol) == 0 &&
                          !virtual_gpu::Faults::instance().lacks(symbol);
    if (!is_there) continue;
    if (entry.since <= version) *function = entry.address;
    found = *function == nullptr ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                                 : CU_GET_PROC_ADDRESS_SUCCESS;
  }
  if (result != nullptr) *result = found;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
