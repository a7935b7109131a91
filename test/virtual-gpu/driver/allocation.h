// Memory of the device and of the host, for the functions that allocate or copy some.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

namespace virtual_gpu {

struct Context;
struct Device;

inline std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

/// `by`: the function's name, for messages. CUDA_ERROR_OUT_OF_MEMORY when the device is full, or a
/// fault says so.
CUresult allocate(Context& context, CUdeviceptr* address, std::size_t bytes, const char* by);

/// Tells the pool that the address came from, if it came from one, that it was freed.
void leave_pool(Device& device, CUdeviceptr address);

}  // namespace virtual_gpu
