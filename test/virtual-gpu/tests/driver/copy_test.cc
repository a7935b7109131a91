// Copies in all directions, of rows too; fills; memory of the host that the device knows.
#include <cuda.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

TEST_F(Driver, CopiesOnTheDevice) {
  const CUdeviceptr from = words({1, 2, 3, 4});
  const CUdeviceptr to = words({0, 0, 0, 0});
  EXPECT_EQ(cuMemcpyDtoD(to + 4, from, 8), CUDA_SUCCESS);
  EXPECT_EQ(read(to, 4), (std::vector<unsigned>{0, 1, 2, 0}));
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoDAsync(to, from + 8, 8, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(read(to, 4), (std::vector<unsigned>{3, 4, 2, 0}));
  EXPECT_EQ(cuMemcpyDtoD(to, 0, 4), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, CopiesTakeUndefinedBytesWithThem) {
  CUdeviceptr from = 0;
  ASSERT_EQ(cuMemAlloc(&from, 8), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32(from, 7, 1), CUDA_SUCCESS);
  const CUdeviceptr to = words({0, 0});
  EXPECT_EQ(cuMemcpyDtoD(to, from, 8), CUDA_SUCCESS) << "nobody has looked yet";
  EXPECT_EQ(read(to, 1)[0], 7u);
  unsigned value = 0;
  EXPECT_EQ(cuMemcpyDtoH(&value, to + 4, 4), CUDA_ERROR_LAUNCH_FAILED);
}

TEST_F(Driver, FillsOfEverySize) {
  const CUdeviceptr to = words({0, 0, 0});
  EXPECT_EQ(cuMemsetD8(to + 1, 0xAB, 2), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD16(to + 4, 0x1234, 2), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD16(to + 1, 0x1234, 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemsetD32(to + 8, 0x1234'5678, 1), CUDA_SUCCESS);
  EXPECT_EQ(read(to, 3), (std::vector<unsigned>{0x00AB'AB00, 0x1234'1234, 0x1234'5678}));
  EXPECT_EQ(cuMemsetD8Async(to, 1, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD16Async(to + 4, 2, 2, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(read(to, 2), (std::vector<unsigned>{0x0101'0101, 0x0002'0002}));
  EXPECT_EQ(cuMemsetD8(to, 0, 13), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Driver, CopiesOfRows) {
  // 3 rows of 2 words, from the second column on.
  const std::vector<unsigned> host{9, 1, 2, 9, 9, 3, 4, 9, 9, 5, 6, 9};
  const CUdeviceptr device = words(std::vector<unsigned>(12, 0));
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = host.data();
  copy.srcPitch = 16;
  copy.srcXInBytes = 4;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = device;
  copy.dstPitch = 12;
  copy.dstY = 1;
  copy.WidthInBytes = 8;
  copy.Height = 3;
  EXPECT_EQ(cuMemcpy2D(&copy), CUDA_SUCCESS);
  EXPECT_EQ(read(device, 12), (std::vector<unsigned>{0, 0, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0}));

  std::vector<unsigned> back(6, 0);
  CUDA_MEMCPY2D read_back{};
  read_back.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
  read_back.srcDevice = device + 12;
  read_back.srcPitch = 12;
  read_back.dstMemoryType = CU_MEMORYTYPE_HOST;
  read_back.dstHost = back.data();
  read_back.dstPitch = 8;
  read_back.WidthInBytes = 8;
  read_back.Height = 3;
  EXPECT_EQ(cuMemcpy2DAsync(&read_back, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(back, (std::vector<unsigned>{1, 2, 3, 4, 5, 6}));

  copy.dstPitch = 4;
  EXPECT_EQ(cuMemcpy2D(&copy), CUDA_ERROR_INVALID_VALUE) << "rows would overlap";
  copy.dstPitch = 12;
  copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  EXPECT_EQ(cuMemcpy2D(&copy), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(cuMemcpy2D(nullptr), CUDA_ERROR_INVALID_VALUE);
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstY = 2;
  EXPECT_EQ(cuMemcpy2D(&copy), CUDA_ERROR_ILLEGAL_ADDRESS) << "the last row is beyond the end";
}

TEST_F(Driver, RegisteredMemoryHasOneAddress) {
  std::vector<unsigned> host(4 * kThreads, 4);
  unsigned* const middle = host.data() + kThreads;
  const std::size_t bytes = kThreads * sizeof(unsigned);
  ASSERT_EQ(cuMemHostRegister(middle, bytes, 0), CUDA_SUCCESS);
  const CUresult again = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  EXPECT_EQ(cuMemHostRegister(middle, bytes, 0), again);
  EXPECT_EQ(cuMemHostRegister(host.data(), bytes + 4, 0), again) << "its end overlaps";
  EXPECT_EQ(cuMemHostRegister(middle + kThreads - 1, bytes, 0), again) << "its beginning overlaps";
  EXPECT_EQ(cuMemHostRegister(host.data(), 4 * bytes, 0), again) << "it lies around";
  EXPECT_EQ(cuMemHostRegister(host.data(), bytes, 0), CUDA_SUCCESS) << "it ends before";
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemHostGetDevicePointer(&address, middle, 0), CUDA_SUCCESS);
  EXPECT_EQ(address, reinterpret_cast<CUdeviceptr>(middle));
  EXPECT_EQ(cuMemHostGetDevicePointer(&address, host.data() + 3 * kThreads, 0),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(load(add_one()), nullptr, address, address), CUDA_SUCCESS);
  EXPECT_EQ(cuMemHostUnregister(middle), CUDA_SUCCESS);
  EXPECT_EQ(std::count(host.begin(), host.end(), 5u), std::ptrdiff_t{kThreads});
  EXPECT_EQ(cuMemHostUnregister(middle), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  EXPECT_EQ(cuMemHostUnregister(host.data()), CUDA_SUCCESS);
}

TEST_F(Driver, PointersSayWhatTheyAre) {
  const CUdeviceptr device = words({1, 2});
  void* pinned = nullptr;
  ASSERT_EQ(cuMemHostAlloc(&pinned, 64, 0), CUDA_SUCCESS);
  const auto host = reinterpret_cast<CUdeviceptr>(pinned);
  unsigned type = 0;
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device + 4),
            CUDA_SUCCESS);
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, host), CUDA_SUCCESS);
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  CUdeviceptr same = 0;
  EXPECT_EQ(cuPointerGetAttribute(&same, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, host), CUDA_SUCCESS);
  EXPECT_EQ(same, host);
  int ordinal = -1;
  EXPECT_EQ(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, device),
            CUDA_SUCCESS);
  EXPECT_EQ(ordinal, 0);
  CUdeviceptr of_device = 0;
  EXPECT_EQ(cuMemHostGetDevicePointer(&of_device, reinterpret_cast<void*>(device), 0),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, host),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree(device), CUDA_SUCCESS);
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace virtual_gpu::testing
