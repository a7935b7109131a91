// Copies and fills (CUDA driver API, section "Memory Management").
//
// They are checked when they run: both ends must be allocated, and bytes that the host reads must
// have been written by somebody. Pageable memory of the host is copied from before the call
// returns, and has been copied to when it returns, as the section "API synchronization behavior"
// says.
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "driver/allocation.h"
#include "driver/export.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

std::string hexadecimal(std::uint64_t value) {
  char text[2 * sizeof value + 3];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// A range of host or device memory as the copy sees it.
struct Range {
  std::byte* data = nullptr;
  std::uint8_t* defined = nullptr;
  Allocation* allocation = nullptr;
};

/// Host memory that no allocation or registration made known to the driver.
bool is_pageable(Context& context, std::uint64_t address) {
  Memory& memory = *context.device.memory;
  return memory.find(address) == nullptr && !memory.is_device_address(address);
}

/// False, with a report, if a device range is not wholly allocated.
bool resolve(Context& context, std::uint64_t address, std::size_t bytes, const char* what,
             Range& range) {
  Memory& memory = *context.device.memory;
  Allocation* allocation = memory.find(address);
  const bool inside = allocation != nullptr && !allocation->freed &&
                      address + bytes <= allocation->end();
  if (is_pageable(context, address)) {
    range.data = reinterpret_cast<std::byte*>(address);
    return true;
  }
  if (!inside) {
    context.fail(CUDA_ERROR_ILLEGAL_ADDRESS,
                 std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
                     hexadecimal(address) +
                     (allocation == nullptr  ? ", where nothing was allocated"
                      : allocation->freed    ? ", in " + allocation->label + ", which was freed"
                                             : ", beyond the end of " + allocation->label));
    return false;
  }
  const std::uint64_t offset = address - allocation->address;
  range = {allocation->data + offset,
           allocation->defined == nullptr ? nullptr : allocation->defined + offset, allocation};
  return true;
}

void check_read_back(Context& context, std::uint64_t from, std::size_t bytes) {
  const auto undefined = context.device.memory->first_undefined(from, bytes);
  if (!undefined) return;
  const Allocation* allocation = context.device.memory->find(from);
  const std::string origin = context.device.memory->origin_at(*undefined);
  context.fail(CUDA_ERROR_LAUNCH_FAILED,
               "undefined value read back by the host: byte " +
                   std::to_string(*undefined - allocation->address) + " of " +
                   allocation->label + " comes from " +
                   (origin.empty() ? "memory to which nothing had been written" : origin));
}

/// Whether a stream freed the memory while another one used it.
void check_still_there(Context& context, const Range& range, const char* what) {
  if (range.allocation == nullptr || !range.allocation->freed) return;
  context.fail(CUDA_ERROR_ILLEGAL_ADDRESS,
               std::string(what) + ' ' + range.allocation->label + ", which was freed meanwhile");
}

void run_copy(Context& context, std::uint64_t to, std::uint64_t from, std::size_t bytes) {
  const Memory::Use use(*context.device.memory);
  Range target;
  Range source;
  if (!resolve(context, from, bytes, "a copy from device memory", source)) return;
  if (!resolve(context, to, bytes, "a copy to device memory", target)) return;
  if (target.defined == nullptr && source.defined != nullptr) {
    check_read_back(context, from, bytes);
  }
  std::memmove(target.data, source.data, bytes);
  if (target.defined != nullptr) {
    if (source.defined != nullptr) std::memmove(target.defined, source.defined, bytes);
    else std::memset(target.defined, 0xFF, bytes);
  }
  check_still_there(context, source, "a copy from");
  check_still_there(context, target, "a copy to");
}

CUresult copy_async(std::uint64_t to, std::uint64_t from, std::size_t bytes, CUstream handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (bytes == 0) return CUDA_SUCCESS;
  if (to == 0 || from == 0) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  Stream& stream = stream_of(*context, handle);
  const bool in_graph = stream.capture != nullptr;
  std::function<void()> run = [=] { run_copy(*context, to, from, bytes); };
  if (!in_graph && is_pageable(*context, from)) {
    const auto* first = reinterpret_cast<const std::byte*>(from);
    auto staged = std::make_shared<const std::vector<std::byte>>(first, first + bytes);
    run = [=] { run_copy(*context, to, address_of(staged->data()), bytes); };
  }
  const CUresult status = context->submit(
      stream, {.type = CU_GRAPH_NODE_TYPE_MEMCPY, .run = std::move(run), .launch = {}});
  if (status != CUDA_SUCCESS || in_graph || !is_pageable(*context, to)) return status;
  stream.ticket().wait();
  return context->sticky;
}

CUresult copy_now(std::uint64_t to, std::uint64_t from, std::size_t bytes) {
  const CUresult status = copy_async(to, from, bytes, nullptr);
  if (status != CUDA_SUCCESS || bytes == 0) return status;
  Context& context = *current().context;
  context.legacy.ticket().wait();
  return context.sticky;
}

template <typename T>
CUresult fill_async(CUdeviceptr to, T value, std::size_t count, CUstream handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (count == 0) return CUDA_SUCCESS;
  if (to % sizeof(T) != 0) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  const auto run = [=] {
    const Memory::Use use(*context->device.memory);
    Range target;
    if (!resolve(*context, to, count * sizeof(T), "a fill", target)) return;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(target.data + i * sizeof(T), &value, sizeof(T));
    }
    if (target.defined != nullptr) std::memset(target.defined, 0xFF, count * sizeof(T));
    check_still_there(*context, target, "a fill of");
  };
  return context->submit(stream_of(*context, handle),
                         {.type = CU_GRAPH_NODE_TYPE_MEMSET, .run = run, .launch = {}});
}

template <typename T>
CUresult fill_now(CUdeviceptr to, T value, std::size_t count) {
  const CUresult status = fill_async(to, value, count, nullptr);
  if (status != CUDA_SUCCESS || count == 0) return status;
  Context& context = *current().context;
  context.legacy.ticket().wait();
  return context.sticky;
}

}  // namespace

VIRTUAL_GPU_API cuMemcpyHtoD(CUdeviceptr to, const void* from, std::size_t bytes) {
  return copy_now(to, address_of(from), bytes);
}
VIRTUAL_GPU_API cuMemcpyDtoH(void* to, CUdeviceptr from, std::size_t bytes) {
  return copy_now(address_of(to), from, bytes);
}
VIRTUAL_GPU_API cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return copy_now(to, from, bytes);
}
VIRTUAL_GPU_API cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return copy_now(to, from, bytes);
}
VIRTUAL_GPU_API cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, std::size_t bytes,
                                  CUstream stream) {
  return copy_async(to, address_of(from), bytes, stream);
}
VIRTUAL_GPU_API cuMemcpyDtoHAsync(void* to, CUdeviceptr from, std::size_t bytes,
                                  CUstream stream) {
  return copy_async(address_of(to), from, bytes, stream);
}
VIRTUAL_GPU_API cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                  CUstream stream) {
  return copy_async(to, from, bytes, stream);
}
VIRTUAL_GPU_API cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                              CUstream stream) {
  return copy_async(to, from, bytes, stream);
}

VIRTUAL_GPU_API cuMemsetD8(CUdeviceptr to, unsigned char value, std::size_t count) {
  return fill_now(to, value, count);
}
VIRTUAL_GPU_API cuMemsetD16(CUdeviceptr to, unsigned short value, std::size_t count) {
  return fill_now(to, value, count);
}
VIRTUAL_GPU_API cuMemsetD32(CUdeviceptr to, unsigned int value, std::size_t count) {
  return fill_now(to, value, count);
}
VIRTUAL_GPU_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count,
                                CUstream stream) {
  return fill_async(to, value, count, stream);
}
VIRTUAL_GPU_API cuMemsetD16Async(CUdeviceptr to, unsigned short value, std::size_t count,
                                 CUstream stream) {
  return fill_async(to, value, count, stream);
}
VIRTUAL_GPU_API cuMemsetD32Async(CUdeviceptr to, unsigned int value, std::size_t count,
                                 CUstream stream) {
  return fill_async(to, value, count, stream);
}
