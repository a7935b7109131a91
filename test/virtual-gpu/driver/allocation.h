// Memory of the device for the functions that allocate some.
#pragma once

#include <cuda.h>

#include <cstddef>

namespace virtual_gpu {

struct Context;

/// `by`: the function's name, for messages. CUDA_ERROR_OUT_OF_MEMORY when the device is full, or a
/// fault says so.
CUresult allocate(Context& context, CUdeviceptr* address, std::size_t bytes, const char* by);

}  // namespace virtual_gpu
