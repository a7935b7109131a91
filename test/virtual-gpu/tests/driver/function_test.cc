// Functions of modules and libraries: what they say of themselves, occupancy, launches with
// attributes.
#include <cuda.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

/// in[0] + 1 to out[0], by a block of at most 128 threads that has 1024 bytes of shared memory.
std::string limited() {
  std::string text = kernel_of(R"(
    ld.global.u32 %r0, [%in];
    add.u32 %r0, %r0, 1;
    st.global.u32 [%out], %r0;)",
                               ".visible .global .u32 v[5] = {1, 2, 3, 4, 5};");
  text.replace(text.find(") {"), 3, ") .maxntid 128, 1, 1 {\n.shared .align 4 .b8 s[1024];");
  return text;
}

int attribute(CUfunction function, CUfunction_attribute which) {
  int value = -1;
  EXPECT_EQ(cuFuncGetAttribute(&value, which, function), CUDA_SUCCESS);
  return value;
}

TEST_F(Driver, AttributesOfAFunction) {
  const CUfunction function = load(limited());
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), 128);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), 1024);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES), 0);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_PTX_VERSION), 80);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_BINARY_VERSION), 80);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), 47 << 10);
  EXPECT_GT(attribute(function, CU_FUNC_ATTRIBUTE_NUM_REGS), 0);
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                               162 << 10),
            CUDA_SUCCESS);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), 162 << 10);
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                               (162 << 10) + 1),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetCacheConfig(function, CU_FUNC_CACHE_PREFER_L1), CUDA_SUCCESS);
}

TEST_F(Driver, VariablesOfAModule) {
  CUmodule module = nullptr;
  CUdeviceptr address = 0;
  std::size_t bytes = 0;
  ASSERT_EQ(cuModuleLoadData(&module, limited().c_str()), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleGetGlobal(&address, &bytes, module, "v"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 20u);
  EXPECT_EQ(read(address, 5), (std::vector<unsigned>{1, 2, 3, 4, 5}));
  EXPECT_EQ(cuModuleGetGlobal(&address, &bytes, module, "w"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Driver, LibrariesAndTheirKernels) {
  CUlibrary library = nullptr;
  CUkernel kernel = nullptr;
  CUfunction function = nullptr;
  CUmodule module = nullptr;
  CUmodule of_function = nullptr;
  CUdeviceptr variable = 0;
  std::size_t bytes = 0;
  int value = 0;
  ASSERT_EQ(cuLibraryLoadData(&library, limited().c_str(), nullptr, nullptr, 0, nullptr, nullptr,
                              0),
            CUDA_SUCCESS);
  EXPECT_EQ(cuLibraryGetKernel(&kernel, library, "none"), CUDA_ERROR_NOT_FOUND);
  ASSERT_EQ(cuLibraryGetKernel(&kernel, library, "k"), CUDA_SUCCESS);
  ASSERT_EQ(cuKernelGetFunction(&function, kernel), CUDA_SUCCESS);
  EXPECT_EQ(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernel, device_),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 1024);
  EXPECT_EQ(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 50 << 10,
                                 kernel, device_),
            CUDA_SUCCESS);
  EXPECT_EQ(attribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), 50 << 10);
  EXPECT_EQ(cuLibraryGetModule(&module, library), CUDA_SUCCESS);
  EXPECT_EQ(cuFuncGetModule(&of_function, function), CUDA_SUCCESS);
  EXPECT_EQ(of_function, module);
  EXPECT_EQ(cuLibraryGetGlobal(&variable, &bytes, library, "v"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 20u);
  const CUdeviceptr out = words({0});
  EXPECT_EQ(launch(function, nullptr, variable, out, 1), CUDA_SUCCESS);
  EXPECT_EQ(read(out, 1)[0], 2u);
  EXPECT_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, variable, out, 1), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Driver, OccupancyIsWhatFits) {
  const CUfunction function = load(add_one());
  int blocks = -1;
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 128, 0xFFFF'FC00),
            CUDA_SUCCESS);
  EXPECT_EQ(blocks, 0);
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 2048, 0), CUDA_SUCCESS);
  EXPECT_EQ(blocks, 0);
  std::size_t bytes = 0;
  EXPECT_EQ(cuOccupancyAvailableDynamicSMemPerBlock(&bytes, function, 2, 128), CUDA_SUCCESS);
  EXPECT_EQ(bytes, std::size_t{81} << 10);
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 128, bytes),
            CUDA_SUCCESS);
  EXPECT_EQ(blocks, 2);
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 128, bytes + 1),
            CUDA_SUCCESS);
  EXPECT_EQ(blocks, 1);
  EXPECT_EQ(cuOccupancyAvailableDynamicSMemPerBlock(&bytes, function, 100, 128),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, TheBlockSizeOfTheMostResidentThreads) {
  const CUfunction function = load(add_one());
  int grid = 0;
  int block = 0;
  // 64 registers a thread leave room for 1024 threads.
  EXPECT_EQ(cuOccupancyMaxPotentialBlockSize(&grid, &block, function, nullptr, 0, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(block, 1024);
  EXPECT_EQ(grid, 108);
  EXPECT_EQ(cuOccupancyMaxPotentialBlockSize(&grid, &block, function, nullptr, 0, 256),
            CUDA_SUCCESS);
  EXPECT_EQ(block, 256);
  EXPECT_EQ(grid, 4 * 108);
  // Blocks of more than 128 threads would not fit.
  const CUoccupancyB2DSize shared = [](int size) -> std::size_t {
    return size > 128 ? 200 << 10 : 16 << 10;
  };
  EXPECT_EQ(cuOccupancyMaxPotentialBlockSize(&grid, &block, function, shared, 0, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(block, 128);
  EXPECT_EQ(grid, 8 * 108);
}

TEST_F(Driver, LaunchesWithAttributes) {
  const CUfunction function = load(add_one());
  CUdeviceptr in = words(std::vector<unsigned>(kThreads, 41));
  CUdeviceptr out = words(std::vector<unsigned>(kThreads, 0));
  void* parameters[] = {&in, &out};
  CUlaunchAttribute attributes[2]{};
  attributes[0].id = CU_LAUNCH_ATTRIBUTE_PRIORITY;
  attributes[0].value.priority = -1;
  attributes[1].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
  attributes[1].value.cooperative = 1;
  CUlaunchConfig config{};
  config.gridDimX = config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = kThreads;
  config.blockDimY = config.blockDimZ = 1;
  config.attrs = attributes;
  config.numAttrs = 2;
  EXPECT_EQ(cuLaunchKernelEx(&config, function, parameters, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(read(out, kThreads), std::vector<unsigned>(kThreads, 42));
  // 16 blocks of 64 threads with 64 registers fit on each of 108 multiprocessors.
  config.gridDimX = 16 * 108 + 1;
  EXPECT_EQ(cuLaunchKernelEx(&config, function, parameters, nullptr),
            CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  EXPECT_EQ(cuLaunchCooperativeKernel(function, config.gridDimX, 1, 1, kThreads, 1, 1, 0, nullptr,
                                      parameters),
            CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  attributes[1].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  attributes[1].value.clusterDim = {2, 1, 1};
  config.gridDimX = 2;
  EXPECT_EQ(cuLaunchKernelEx(&config, function, parameters, nullptr), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(cuLaunchKernelEx(nullptr, function, parameters, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, AnInjectedFaultOfAKernelStays) {
  const CUfunction function = load(add_one());
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));
  ASSERT_EQ(virtual_gpu_set_faults("sticky=2"), 0);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_ERROR_LAUNCH_FAILED);
  open_again();
  EXPECT_EQ(read(words({3}), 1)[0], 3u) << "a new context has no fault";
}

TEST_F(Driver, AttributesOfTheDevice) {
  const auto value_of = [](CUdevice_attribute attribute) {
    int value = -1;
    EXPECT_EQ(cuDeviceGetAttribute(&value, attribute, 0), CUDA_SUCCESS);
    return value;
  };
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED), 1);
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM), 1);
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED), 1);
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED), 1);
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED), 1);
  EXPECT_EQ(value_of(CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO), 2);
  int value = 0;
  EXPECT_EQ(cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(0), 0),
            CUDA_ERROR_INVALID_VALUE);
}

int ratio_of(const char* profile) {
  setenv("VIRTUAL_GPU_PROFILE", profile, 1);
  int value = -1;
  if (cuInit(0) != CUDA_SUCCESS) return -1;
  cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 0);
  return value;
}

TEST(Profiles, HaveTheirRateOfDoublePrecision) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::_Exit(ratio_of("sm_75")), ::testing::ExitedWithCode(32), "");
  EXPECT_EXIT(std::_Exit(ratio_of("sm_86")), ::testing::ExitedWithCode(64), "");
}

}  // namespace
}  // namespace virtual_gpu::testing
