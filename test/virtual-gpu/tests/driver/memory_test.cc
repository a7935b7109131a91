// Where memory comes from and how long it lives: pools, pageable memory, contexts.
#include <cuda.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

std::uint64_t attribute(CUmemoryPool pool, CUmemPool_attribute which) {
  std::uint64_t value = 0;
  EXPECT_EQ(cuMemPoolGetAttribute(pool, which, &value), CUDA_SUCCESS);
  return value;
}

TEST_F(Driver, StreamOrderedMemoryComesFromThePool) {
  CUmemoryPool standard = nullptr;
  CUmemoryPool present = nullptr;
  ASSERT_EQ(cuDeviceGetDefaultMemPool(&standard, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuDeviceGetMemPool(&present, 0), CUDA_SUCCESS);
  EXPECT_EQ(present, standard);
  CUdeviceptr a = 0;
  CUdeviceptr b = 0;
  ASSERT_EQ(cuMemAllocAsync(&a, 1000, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAllocFromPoolAsync(&b, 500, standard, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(attribute(standard, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 1500u);
  EXPECT_EQ(cuMemFreeAsync(a, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(attribute(standard, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 500u);
  EXPECT_EQ(attribute(standard, CU_MEMPOOL_ATTR_USED_MEM_HIGH), 1500u);
  std::uint64_t threshold = ~std::uint64_t{0};
  EXPECT_EQ(cuMemPoolSetAttribute(standard, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold),
            CUDA_SUCCESS);
  EXPECT_EQ(attribute(standard, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD), threshold);
  EXPECT_EQ(cuMemPoolSetAttribute(standard, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &threshold),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFreeAsync(b, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(b + 4, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, PoolsOfTheApplication) {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  CUmemoryPool pool = nullptr;
  CUmemoryPool standard = nullptr;
  ASSERT_EQ(cuMemPoolCreate(&pool, &properties), CUDA_SUCCESS);
  ASSERT_EQ(cuDeviceGetDefaultMemPool(&standard, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDeviceSetMemPool(0, pool), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAllocAsync(&address, 64, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 64u);
  EXPECT_EQ(attribute(standard, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_EQ(cuMemPoolDestroy(pool), CUDA_SUCCESS);
  EXPECT_EQ(cuMemPoolDestroy(pool), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemPoolDestroy(standard), CUDA_ERROR_INVALID_VALUE);
  CUmemoryPool present = nullptr;
  EXPECT_EQ(cuDeviceGetMemPool(&present, 0), CUDA_SUCCESS);
  EXPECT_EQ(present, standard);
  // What came from the pool outlives it.
  EXPECT_EQ(cuMemsetD32(address, 1, 16), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(address, nullptr), CUDA_SUCCESS);
  properties.location.id = 1;
  EXPECT_EQ(cuMemPoolCreate(&pool, &properties), CUDA_ERROR_INVALID_DEVICE);
}

TEST_F(Driver, UseAfterAStreamOrderedFreeIsAFault) {
  const CUfunction function = load(add_one());
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAllocAsync(&address, kThreads * sizeof(unsigned), nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32(address, 1, kThreads), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, address, address), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(address, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, address, address), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Driver, PageableMemoryIsReadBeforeTheCallReturnsPinnedMemoryLater) {
  std::atomic<bool> go = false;
  const CUstream stream = held_stream(go, CU_STREAM_NON_BLOCKING);
  std::vector<unsigned> pageable(kThreads, 3);
  void* pinned = nullptr;
  ASSERT_EQ(cuMemHostAlloc(&pinned, kThreads * sizeof(unsigned), 0), CUDA_SUCCESS);
  auto* words_of_pinned = static_cast<unsigned*>(pinned);
  std::fill_n(words_of_pinned, kThreads, 3u);
  const CUdeviceptr from_pageable = words(std::vector<unsigned>(kThreads, 0));
  const CUdeviceptr from_pinned = words(std::vector<unsigned>(kThreads, 0));
  const std::size_t bytes = kThreads * sizeof(unsigned);
  EXPECT_EQ(cuMemcpyHtoDAsync(from_pageable, pageable.data(), bytes, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyHtoDAsync(from_pinned, pinned, bytes, stream), CUDA_SUCCESS);
  std::fill_n(pageable.data(), kThreads, 4u);
  std::fill_n(words_of_pinned, kThreads, 4u);
  go = true;
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(read(from_pageable, kThreads), std::vector<unsigned>(kThreads, 3));
  EXPECT_EQ(read(from_pinned, kThreads), std::vector<unsigned>(kThreads, 4));
  // To pageable memory, the copy is over when the call returns.
  EXPECT_EQ(cuMemcpyDtoHAsync(pageable.data(), from_pinned, bytes, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_SUCCESS);
  EXPECT_EQ(pageable, std::vector<unsigned>(kThreads, 4));
  EXPECT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
}

TEST_F(Driver, AReleasedContextIsRefused) {
  ASSERT_EQ(cuDevicePrimaryCtxRelease(device_), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, device_), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_SUCCESS);
}

TEST_F(Driver, ALostDeviceStaysLost) {
  const CUfunction function = load(add_one());
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));
  ASSERT_EQ(virtual_gpu_set_faults("lost=1"), 0);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  CUcontext again = nullptr;
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&again, device_), CUDA_ERROR_DEVICE_UNAVAILABLE);
  ASSERT_EQ(virtual_gpu_set_faults(""), 0);
}

TEST_F(Driver, ADeviceMayBeLostWithinAGraph) {
  CUstream stream = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  const CUfunction function = load(add_one());
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(launch(function, stream, a, a), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphInstantiate(&exec, graph, 0), CUDA_SUCCESS);
  ASSERT_EQ(virtual_gpu_set_faults("lost=5"), 0);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_ERROR_DEVICE_UNAVAILABLE);
  ASSERT_EQ(virtual_gpu_set_faults(""), 0);
}

}  // namespace
}  // namespace virtual_gpu::testing
