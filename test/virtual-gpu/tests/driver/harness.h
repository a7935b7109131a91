// An application's first steps, for tests of the driver: a context, modules, words in memory,
// launches.
#pragma once

#include <cuda.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "driver/faults.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {

constexpr unsigned kThreads = 64;

/// out[i] = in[i] + 1
inline std::string add_one() {
  return kernel_of(R"(
    mul.wide.u32 %at, %tid, 4;
    add.u64 %d0, %in, %at;
    add.u64 %d1, %out, %at;
    ld.global.u32 %r0, [%d0];
    add.u32 %r0, %r0, 1;
    st.global.u32 [%d1], %r0;)");
}

class Driver : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    ASSERT_EQ(cuDeviceGet(&device_, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, device_), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  }
  void TearDown() override {
    virtual_gpu_set_faults("");
    cuCtxSetCurrent(nullptr);
    cuDevicePrimaryCtxRelease(device_);
  }

  CUfunction load(const std::string& text) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, text.c_str()), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&function, module, "k"), CUDA_SUCCESS);
    return function;
  }
  CUdeviceptr words(std::vector<unsigned> values) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cuMemAlloc(&address, values.size() * sizeof(unsigned)), CUDA_SUCCESS);
    EXPECT_EQ(cuMemcpyHtoD(address, values.data(), values.size() * sizeof(unsigned)),
              CUDA_SUCCESS);
    return address;
  }
  std::vector<unsigned> read(CUdeviceptr address, std::size_t count) {
    std::vector<unsigned> values(count);
    EXPECT_EQ(cuMemcpyDtoH(values.data(), address, count * sizeof(unsigned)), CUDA_SUCCESS);
    return values;
  }
  /// A stream that goes on when `go` says so.
  static CUstream held_stream(std::atomic<bool>& go, unsigned flags) {
    CUstream stream = nullptr;
    EXPECT_EQ(cuStreamCreate(&stream, flags), CUDA_SUCCESS);
    const CUhostFn wait = [](void* data) {
      while (!*static_cast<std::atomic<bool>*>(data)) std::this_thread::yield();
    };
    EXPECT_EQ(cuLaunchHostFunc(stream, wait, &go), CUDA_SUCCESS);
    return stream;
  }
  /// A fresh context instead of the present one.
  void open_again() {
    ASSERT_EQ(cuDevicePrimaryCtxRelease(device_), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, device_), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  }
  static CUresult launch(CUfunction function, CUstream stream, CUdeviceptr in, CUdeviceptr out,
                         unsigned threads = kThreads, unsigned shared = 0) {
    void* parameters[] = {&in, &out};
    return cuLaunchKernel(function, 1, 1, 1, threads, 1, 1, shared, stream, parameters, nullptr);
  }

  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
};

}  // namespace virtual_gpu::testing
