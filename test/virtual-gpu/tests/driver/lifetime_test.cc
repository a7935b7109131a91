// Memory that is freed: while others use it, twice, and how its pages come back.
#include <cuda.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// Reads [in] again and again, and counts in [out]; ends some day.
std::string reader() {
  return kernel_of(R"(
    mov.u32 %r1, 0;
    AGAIN:
    ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%in];
    ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%in+16];
    add.u32 %r1, %r1, 1;
    st.global.u32 [%out], %r1;
    setp.lt.u32 %p0, %r1, 10000000;
    @%p0 bra AGAIN;)");
}

class Freeing : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    open_streams();
  }
  void open_streams() {
    ASSERT_EQ(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&other_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }

  CUstream stream_ = nullptr;
  CUstream other_ = nullptr;
};

TEST_F(Freeing, UnderARunningKernelIsReported) {
  for (int round = 0; round < 3; ++round) {
    const CUfunction function = load(reader());
    const CUdeviceptr in = words(std::vector<unsigned>(8, 7));
    void* pinned = nullptr;
    ASSERT_EQ(cuMemHostAlloc(&pinned, 64, 0), CUDA_SUCCESS);
    const auto count = std::atomic_ref(*static_cast<unsigned*>(pinned));
    count = 0;
    ASSERT_EQ(launch(function, stream_, in, reinterpret_cast<CUdeviceptr>(pinned), 1),
              CUDA_SUCCESS);
    while (count == 0) std::this_thread::yield();
    EXPECT_EQ(cuMemFreeAsync(in, other_), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
    open_again();
    open_streams();
  }
}

TEST_F(Freeing, UnderARunningCopyDoesNotCrash) {
  constexpr std::size_t kBytes = 32 * kMiB;
  CUdeviceptr from = 0;
  CUdeviceptr to = 0;
  ASSERT_EQ(cuMemAlloc(&from, kBytes), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAlloc(&to, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoDAsync(to, from, kBytes, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(from, other_), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(to, other_), CUDA_SUCCESS);
  const CUresult status = cuCtxSynchronize();
  EXPECT_TRUE(status == CUDA_SUCCESS || status == CUDA_ERROR_ILLEGAL_ADDRESS) << status;
}

/// Counts in [out] until [in] is not 0.
std::string waiter() {
  return kernel_of(R"(
    mov.u32 %r1, 0;
    AGAIN:
    add.u32 %r1, %r1, 1;
    st.global.u32 [%out], %r1;
    ld.volatile.global.u32 %r0, [%in];
    setp.eq.u32 %p0, %r0, 0;
    @%p0 bra AGAIN;)");
}

/// Allocations of so many bytes each that a stream makes, writes and frees.
void churn(CUstream stream, void* source, std::size_t bytes) {
  for (int i = 0; i < 16; ++i) {
    CUdeviceptr address = 0;
    ASSERT_EQ(cuMemAllocAsync(&address, bytes, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuMemcpyHtoDAsync(address, source, bytes, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuMemFreeAsync(address, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  }
}

TEST_F(Freeing, GivesThePagesBack) {
  constexpr std::size_t kBytes = 8 * kMiB;
  void* pinned = nullptr;
  ASSERT_EQ(cuMemHostAlloc(&pinned, kBytes, 0), CUDA_SUCCESS);
  std::memset(pinned, 1, kBytes);
  const std::size_t before = resident_bytes();
  churn(stream_, pinned, kBytes);
  EXPECT_LT(resident_bytes(), before + 4 * kBytes);
  // Beside a kernel they may stay, and go with it.
  auto* const flags = static_cast<unsigned*>(pinned);
  const auto go = std::atomic_ref(flags[0]);
  const auto count = std::atomic_ref(flags[1]);
  go = count = 0;
  const auto address = reinterpret_cast<CUdeviceptr>(pinned);
  ASSERT_EQ(launch(load(waiter()), other_, address, address + 4, 1), CUDA_SUCCESS);
  while (count == 0) std::this_thread::yield();
  churn(stream_, pinned, kBytes);
  go = 1;
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_LT(resident_bytes(), before + 4 * kBytes);
}

TEST_F(Freeing, TheContextFreesPinnedMemory) {
  constexpr std::size_t kBytes = 16 * kMiB;
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 4; ++i) {
    void* pinned = nullptr;
    ASSERT_EQ(cuMemHostAlloc(&pinned, kBytes, 0), CUDA_SUCCESS);
    std::memset(pinned, 1, kBytes);
    open_again();
  }
  EXPECT_LT(resident_bytes(), before + 2 * kBytes);
}

TEST_F(Freeing, AddressesDoNotRunOut) {
  constexpr std::size_t kMost = std::size_t{40} << 30;
  std::uint64_t last = 0;
  for (int i = 0; i < 150; ++i) {
    CUdeviceptr address = 0;
    ASSERT_EQ(cuMemAlloc(&address, kMost), CUDA_SUCCESS) << i;
    EXPECT_NE(address, last);
    EXPECT_EQ(address % 512, 256u) << "no better aligned than it must be";
    last = address;
    ASSERT_EQ(cuMemFree(address), CUDA_SUCCESS);
  }
  const CUdeviceptr behind = last + kMost + 8;
  EXPECT_EQ(cuMemcpyDtoD(behind, behind, 8), CUDA_ERROR_ILLEGAL_ADDRESS) << "not the host's";
}

TEST_F(Freeing, IsPossibleOnce) {
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAllocAsync(&address, 64, stream_), CUDA_SUCCESS);
  std::atomic<bool> go = false;
  const CUstream held = held_stream(go, CU_STREAM_NON_BLOCKING);
  EXPECT_EQ(cuMemFreeAsync(address, held), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(address, held), CUDA_ERROR_INVALID_VALUE);
  go = true;
  EXPECT_EQ(cuMemFree(address), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Freeing, StreamsFreeAllocationsOfTheDeviceOnly) {
  CUmodule module = nullptr;
  CUdeviceptr variable = 0;
  ASSERT_EQ(cuModuleLoadData(&module, kernel_of("", ".visible .global .u32 v[4];").c_str()),
            CUDA_SUCCESS);
  ASSERT_EQ(cuModuleGetGlobal(&variable, nullptr, module, "v"), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(variable, stream_), CUDA_ERROR_INVALID_VALUE);
  void* pinned = nullptr;
  ASSERT_EQ(cuMemHostAlloc(&pinned, 64, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(reinterpret_cast<CUdeviceptr>(pinned), stream_),
            CUDA_ERROR_INVALID_VALUE);
  CUdeviceptr plain = 0;
  ASSERT_EQ(cuMemAlloc(&plain, 64), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(plain, stream_), CUDA_SUCCESS);
}

TEST_F(Freeing, APoolCountsWhatCuMemFreeFreed) {
  CUmemoryPool pool = nullptr;
  CUdeviceptr address = 0;
  std::uint64_t used = 1;
  ASSERT_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAllocAsync(&address, 1000, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree(address), CUDA_SUCCESS);
  EXPECT_EQ(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used), CUDA_SUCCESS);
  EXPECT_EQ(used, 0u);
}

}  // namespace
}  // namespace virtual_gpu::testing
