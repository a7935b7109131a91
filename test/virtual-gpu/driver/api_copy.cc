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

/// What is copied: rows of so many bytes, each so far from the one before.
struct Copy {
  std::uint64_t to = 0;
  std::uint64_t from = 0;
  std::size_t bytes = 0;
  std::size_t rows = 1;
  std::size_t to_pitch = 0;
  std::size_t from_pitch = 0;
};

void copy_row(Context& context, std::uint64_t to, std::uint64_t from, std::size_t bytes) {
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

void run_copy(Context& context, const Copy& copy) {
  const Memory::Use use(*context.device.memory);
  for (std::size_t row = 0; row < copy.rows && context.sticky == CUDA_SUCCESS; ++row) {
    copy_row(context, copy.to + row * copy.to_pitch, copy.from + row * copy.from_pitch,
             copy.bytes);
  }
}

/// The rows as they are now, one behind the other.
std::shared_ptr<const std::vector<std::byte>> staged(const Copy& copy) {
  auto rows = std::make_shared<std::vector<std::byte>>(copy.rows * copy.bytes);
  for (std::size_t row = 0; row < copy.rows; ++row) {
    std::memcpy(rows->data() + row * copy.bytes,
                reinterpret_cast<const std::byte*>(copy.from + row * copy.from_pitch), copy.bytes);
  }
  return rows;
}

CUresult copy_async(const Copy& copy, CUstream handle) {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (copy.bytes == 0 || copy.rows == 0) return CUDA_SUCCESS;
  if (copy.to == 0 || copy.from == 0) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  const bool in_graph = now.stream->capture != nullptr;
  std::function<void()> run = [=] { run_copy(*context, copy); };
  if (!in_graph && is_pageable(*context, copy.from)) {
    run = [=, rows = staged(copy)] {
      Copy from_staged = copy;
      from_staged.from = address_of(rows->data());
      from_staged.from_pitch = copy.bytes;
      run_copy(*context, from_staged);
    };
  }
  const CUresult status = context->submit(
      *now.stream, {.type = CU_GRAPH_NODE_TYPE_MEMCPY, .run = std::move(run), .launch = {}});
  if (status != CUDA_SUCCESS || in_graph || !is_pageable(*context, copy.to)) return status;
  now.stream->ticket().wait();
  return context->sticky;
}

/// Waits for what the call added to stream 0.
CUresult finished(CUresult status) {
  if (status != CUDA_SUCCESS) return status;
  Context& context = *current().context;
  context.legacy.ticket().wait();
  return context.sticky;
}

CUresult copy_now(const Copy& copy) { return finished(copy_async(copy, nullptr)); }

/// One side of a copy of rows: where its first row begins, and whether it is what it says.
struct Side {
  CUresult status = CUDA_SUCCESS;
  std::uint64_t first = 0;
};

Side side_of(CUmemorytype type, const void* host, CUdeviceptr device, std::size_t x,
             std::size_t y, std::size_t pitch, const CUDA_MEMCPY2D& copy) {
  if (type == CU_MEMORYTYPE_ARRAY) return {CUDA_ERROR_NOT_SUPPORTED, 0};
  const bool known = type == CU_MEMORYTYPE_HOST || type == CU_MEMORYTYPE_DEVICE ||
                     type == CU_MEMORYTYPE_UNIFIED;
  const bool rows_overlap = copy.Height > 1 && pitch < x + copy.WidthInBytes;
  if (!known || rows_overlap) return {CUDA_ERROR_INVALID_VALUE, 0};
  const std::uint64_t base = type == CU_MEMORYTYPE_HOST ? address_of(host) : device;
  return {base == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS, base + y * pitch + x};
}

CUresult copy_rows(const CUDA_MEMCPY2D* request, CUstream stream) {
  if (request == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_MEMCPY2D& r = *request;
  const Side from = side_of(r.srcMemoryType, r.srcHost, r.srcDevice, r.srcXInBytes, r.srcY,
                            r.srcPitch, r);
  if (from.status != CUDA_SUCCESS) return from.status;
  const Side to = side_of(r.dstMemoryType, r.dstHost, r.dstDevice, r.dstXInBytes, r.dstY,
                          r.dstPitch, r);
  if (to.status != CUDA_SUCCESS) return to.status;
  return copy_async({to.first, from.first, r.WidthInBytes, r.Height, r.dstPitch, r.srcPitch},
                    stream);
}

template <typename T>
CUresult fill_async(CUdeviceptr to, T value, std::size_t count, CUstream handle) {
  const CurrentStream now = current_stream(handle);
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
  return context->submit(*now.stream,
                         {.type = CU_GRAPH_NODE_TYPE_MEMSET, .run = run, .launch = {}});
}

template <typename T>
CUresult fill_now(CUdeviceptr to, T value, std::size_t count) {
  return finished(fill_async(to, value, count, nullptr));
}

}  // namespace

VIRTUAL_GPU_API cuMemcpyHtoD(CUdeviceptr to, const void* from, std::size_t bytes) try {
  return copy_now({to, address_of(from), bytes});
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyDtoH(void* to, CUdeviceptr from, std::size_t bytes) try {
  return copy_now({address_of(to), from, bytes});
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) try {
  return copy_now({to, from, bytes});
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) try {
  return copy_now({to, from, bytes});
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, std::size_t bytes,
                                  CUstream stream) try {
  return copy_async({to, address_of(from), bytes}, stream);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyDtoHAsync(void* to, CUdeviceptr from, std::size_t bytes,
                                  CUstream stream) try {
  return copy_async({address_of(to), from, bytes}, stream);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                  CUstream stream) try {
  return copy_async({to, from, bytes}, stream);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                              CUstream stream) try {
  return copy_async({to, from, bytes}, stream);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemcpy2D(const CUDA_MEMCPY2D* copy) try {
  return finished(copy_rows(copy, nullptr));
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpy2DUnaligned(const CUDA_MEMCPY2D* copy) try {
  return cuMemcpy2D(copy);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemcpy2DAsync(const CUDA_MEMCPY2D* copy, CUstream stream) try {
  return copy_rows(copy, stream);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuMemsetD8(CUdeviceptr to, unsigned char value, std::size_t count) try {
  return fill_now(to, value, count);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemsetD16(CUdeviceptr to, unsigned short value, std::size_t count) try {
  return fill_now(to, value, count);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemsetD32(CUdeviceptr to, unsigned int value, std::size_t count) try {
  return fill_now(to, value, count);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count,
                                CUstream stream) try {
  return fill_async(to, value, count, stream);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemsetD16Async(CUdeviceptr to, unsigned short value, std::size_t count,
                                 CUstream stream) try {
  return fill_async(to, value, count, stream);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuMemsetD32Async(CUdeviceptr to, unsigned int value, std::size_t count,
                                 CUstream stream) try {
  return fill_async(to, value, count, stream);
} VIRTUAL_GPU_END
