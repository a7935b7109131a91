// The CUDA driver's functions, found at run time: nothing links to the driver, so one binary works
// on machines with and without it.
//
// FUSEBERT_CUDA_DRIVER names another library than the system's.
#pragma once

#include <cuda.h>

#include <string>

#include "core/status.h"

namespace fusebert::cuda {

// Every function that fusebert needs. Names of cuda.h are macros for the newest version of each.
#define FUSEBERT_CUDA_FUNCTIONS(X)                                                              \
  X(cuInit)                                                                                     \
  X(cuGetErrorName)                                                                             \
  X(cuGetErrorString)                                                                           \
  X(cuDeviceGet)                                                                                \
  X(cuDeviceGetAttribute)                                                                       \
  X(cuDeviceGetCount)                                                                           \
  X(cuDeviceGetName)                                                                            \
  X(cuDeviceTotalMem)                                                                           \
  X(cuCtxCreate)                                                                                \
  X(cuCtxDestroy)                                                                               \
  X(cuCtxPopCurrent)                                                                            \
  X(cuCtxPushCurrent)                                                                           \
  X(cuMemGetInfo)                                                                               \
  X(cuMemAlloc)                                                                                 \
  X(cuMemFree)                                                                                  \
  X(cuMemHostAlloc)                                                                             \
  X(cuMemFreeHost)                                                                              \
  X(cuMemcpyHtoDAsync)                                                                          \
  X(cuMemcpyDtoHAsync)                                                                          \
  X(cuMemsetD8Async)                                                                            \
  X(cuModuleLoadData)                                                                           \
  X(cuModuleUnload)                                                                             \
  X(cuModuleGetFunction)                                                                        \
  X(cuFuncSetAttribute)                                                                         \
  X(cuLaunchKernelEx)                                                                           \
  X(cuStreamBeginCapture)                                                                       \
  X(cuStreamCreate)                                                                             \
  X(cuStreamDestroy)                                                                            \
  X(cuStreamEndCapture)                                                                         \
  X(cuStreamSynchronize)                                                                        \
  X(cuStreamWaitEvent)                                                                          \
  X(cuEventCreate)                                                                              \
  X(cuEventDestroy)                                                                             \
  X(cuEventQuery)                                                                               \
  X(cuEventRecord)                                                                              \
  X(cuEventSynchronize)                                                                         \
  X(cuGraphDestroy)                                                                             \
  X(cuGraphExecDestroy)                                                                         \
  X(cuGraphInstantiateWithFlags)                                                                \
  X(cuGraphLaunch)

struct Api {
#define FUSEBERT_DECLARE(name) decltype(&::name) name = nullptr;
  FUSEBERT_CUDA_FUNCTIONS(FUSEBERT_DECLARE)
#undef FUSEBERT_DECLARE
  int driver_version = 0;  // of CUDA: 1000 · major + 10 · minor

  // Opens the driver and initialises it; once it worked, the same ever after. kDeviceUnavailable
  // when there is no driver, it is too old, or it finds no device.
  static Result<const Api*> get();

  // The driver's words and name for an error: "out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
  std::string words(CUresult result) const;

  // ok for CUDA_SUCCESS. Otherwise what was tried, and the driver's name and words for the error:
  // kOutOfMemory for lack of memory, kDeviceFailed for the rest.
  Status check(CUresult result, const char* what) const;
};

}  // namespace fusebert::cuda

#define FUSEBERT_CUDA_CHECK(api, call) \
  FUSEBERT_RETURN_IF_ERROR((api).check((api).call, #call))
