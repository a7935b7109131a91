// How the functions of the driver API are declared: with C's names, visible from outside, and
// without exceptions, which C could not catch:
//
//   VIRTUAL_GPU_API cuFrobnicate(int value) try {
//     ...
//   } VIRTUAL_GPU_END
#pragma once

#include <cuda.h>

#define VIRTUAL_GPU_API extern "C" __attribute__((visibility("default"))) CUresult CUDAAPI
#define VIRTUAL_GPU_END catch (...) { return ::virtual_gpu::status_of_exception(); }

namespace virtual_gpu {

/// The error for the exception that is being handled.
CUresult status_of_exception();

}  // namespace virtual_gpu
