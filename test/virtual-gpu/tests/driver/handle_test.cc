// What must be an error and not a crash: handles of nothing, calls before cuInit, a host without
// memory or threads.
#include <cuda.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

template <typename Handle>
std::vector<Handle> wrong_handles() {
  static int something = 0;
  return {nullptr, reinterpret_cast<Handle>(1), reinterpret_cast<Handle>(&something)};
}

TEST_F(Driver, WrongModulesAndFunctions) {
  const CUdeviceptr word = words({1});
  CUfunction function = nullptr;
  CUkernel kernel = nullptr;
  CUmodule module = nullptr;
  CUdeviceptr address = 0;
  int value = 0;
  std::size_t bytes = 0;
  for (const auto wrong : wrong_handles<CUmodule>()) {
    EXPECT_EQ(cuModuleUnload(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuModuleGetFunction(&function, wrong, "k"), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuModuleGetGlobal(&address, &bytes, wrong, "v"), CUDA_ERROR_INVALID_HANDLE);
  }
  for (const auto wrong : wrong_handles<CUlibrary>()) {
    EXPECT_EQ(cuLibraryUnload(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuLibraryGetKernel(&kernel, wrong, "k"), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuLibraryGetModule(&module, wrong), CUDA_ERROR_INVALID_HANDLE);
  }
  for (const auto wrong : wrong_handles<CUfunction>()) {
    EXPECT_EQ(launch(wrong, nullptr, word, word), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, wrong),
              CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuFuncSetAttribute(wrong, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 0),
              CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuFuncGetModule(&module, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, wrong, 32, 0),
              CUDA_ERROR_INVALID_HANDLE);
  }
  for (const auto wrong : wrong_handles<CUkernel>()) {
    EXPECT_EQ(cuKernelGetFunction(&function, wrong), CUDA_ERROR_INVALID_HANDLE);
  }
}

TEST_F(Driver, WrongStreamsAndEvents) {
  const CUdeviceptr word = words({1});
  const CUfunction function = load(add_one());
  CUevent event = nullptr;
  CUgraph graph = nullptr;
  CUdeviceptr address = 0;
  float milliseconds = 0;
  int priority = 0;
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(event, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy(nullptr), CUDA_ERROR_INVALID_HANDLE);
  std::vector<CUstream> streams = wrong_handles<CUstream>();
  // Null, 1 and 2 stand for stream 0.
  streams[0] = reinterpret_cast<CUstream>(3);
  EXPECT_EQ(cuStreamDestroy(streams[1]), CUDA_ERROR_INVALID_HANDLE);
  streams[1] = reinterpret_cast<CUstream>(event);
  for (const auto wrong : streams) {
    EXPECT_EQ(cuStreamDestroy(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamSynchronize(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamQuery(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamGetPriority(wrong, &priority), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamWaitEvent(wrong, event, 0), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuEventRecord(event, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuMemsetD32Async(word, 1, 1, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuMemcpyDtoDAsync(word, word, 4, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuMemAllocAsync(&address, 4, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuMemFreeAsync(word, wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(launch(function, wrong, word, word, 1), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamBeginCapture(wrong, CU_STREAM_CAPTURE_MODE_GLOBAL),
              CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamEndCapture(wrong, &graph), CUDA_ERROR_INVALID_HANDLE);
  }
  for (const auto wrong : wrong_handles<CUevent>()) {
    EXPECT_EQ(cuEventDestroy(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuEventRecord(wrong, nullptr), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuEventQuery(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuEventSynchronize(wrong), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuStreamWaitEvent(nullptr, wrong, 0), CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(cuEventElapsedTime(&milliseconds, event, wrong), CUDA_ERROR_INVALID_HANDLE);
  }
}

TEST_F(Driver, WrongGraphsPoolsAndContexts) {
  CUgraphExec exec = nullptr;
  CUgraphNodeType type;
  std::size_t count = 0;
  CUDA_KERNEL_NODE_PARAMS parameters{};
  for (const auto wrong : wrong_handles<CUgraph>()) {
    EXPECT_EQ(cuGraphDestroy(wrong), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphInstantiate(&exec, wrong, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphGetNodes(wrong, nullptr, &count), CUDA_ERROR_INVALID_VALUE);
  }
  for (const auto wrong : wrong_handles<CUgraphExec>()) {
    EXPECT_EQ(cuGraphExecDestroy(wrong), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphLaunch(wrong, nullptr), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphUpload(wrong, nullptr), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphExecUpdate(wrong, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  }
  for (const auto wrong : wrong_handles<CUgraphNode>()) {
    EXPECT_EQ(cuGraphNodeGetType(wrong, &type), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphKernelNodeGetParams(wrong, &parameters), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuGraphExecKernelNodeSetParams(nullptr, wrong, &parameters),
              CUDA_ERROR_INVALID_VALUE);
  }
  for (const auto wrong : wrong_handles<CUmemoryPool>()) {
    EXPECT_EQ(cuMemPoolTrimTo(wrong, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuMemPoolDestroy(wrong), CUDA_ERROR_INVALID_VALUE);
  }
  EXPECT_EQ(cuCtxPushCurrent(nullptr), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuCtxPushCurrent(reinterpret_cast<CUcontext>(1)), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuCtxSetCurrent(reinterpret_cast<CUcontext>(1)), CUDA_ERROR_INVALID_CONTEXT);
  CUcontext context = nullptr;
  EXPECT_EQ(cuCtxGetCurrent(&context), CUDA_SUCCESS);
  EXPECT_EQ(context, context_) << "a refused one changes nothing";
}

TEST_F(Driver, AResetContextIsGoneAndStillToBeReleased) {
  const CUdeviceptr word = words({1});
  ASSERT_EQ(cuDevicePrimaryCtxReset(device_), CUDA_SUCCESS);
  unsigned value = 0;
  EXPECT_EQ(cuMemcpyDtoH(&value, word, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  int active = 1;
  unsigned flags = 0;
  EXPECT_EQ(cuDevicePrimaryCtxGetState(device_, &flags, &active), CUDA_SUCCESS);
  EXPECT_EQ(active, 0);
  EXPECT_EQ(cuDevicePrimaryCtxRelease(device_), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRelease(device_), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, device_), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  EXPECT_EQ(read(words({5}), 1)[0], 5u);
}

/// Tests of a process in which nobody called cuInit.
class FreshProcess : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

/// Memory that the process may map: too little for a device.
void limit_memory(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
}

int number_of_calls_that_work_before_init() {
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUmemoryPool pool = nullptr;
  CUuuid uuid;
  int value = 0;
  unsigned flags = 0;
  std::size_t bytes = 0;
  char name[8];
  const CUresult results[] = {
      cuDeviceGet(&device, 0),
      cuDeviceGetCount(&value),
      cuDeviceTotalMem(&bytes, 0),
      cuDeviceGetName(name, sizeof name, 0),
      cuDeviceGetUuid(&uuid, 0),
      cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0),
      cuDevicePrimaryCtxRetain(&context, 0),
      cuDevicePrimaryCtxRelease(0),
      cuDevicePrimaryCtxReset(0),
      cuDevicePrimaryCtxSetFlags(0, 0),
      cuDevicePrimaryCtxGetState(0, &flags, &value),
      cuDeviceGetDefaultMemPool(&pool, 0),
      cuDeviceGetMemPool(&pool, 0),
      cuDeviceSetMemPool(0, pool),
      cuMemPoolTrimTo(pool, 0),
      cuCtxPushCurrent(context),
      cuCtxPopCurrent(&context),
      cuMemAlloc(nullptr, 1),
      cuStreamSynchronize(nullptr),
  };
  int working = 0;
  for (const CUresult result : results) working += result != CUDA_ERROR_NOT_INITIALIZED ? 1 : 0;
  return working;
}

TEST_F(FreshProcess, NothingWorksBeforeInit) {
  EXPECT_EXIT(std::_Exit(number_of_calls_that_work_before_init()), ::testing::ExitedWithCode(0),
              "");
}

int init_without_memory() {
  limit_memory(rlim_t{1} << 40);
  return cuInit(0);
}

TEST_F(FreshProcess, InitMayRunOutOfMemory) {
  EXPECT_EXIT(std::_Exit(init_without_memory()),
              ::testing::ExitedWithCode(CUDA_ERROR_OUT_OF_MEMORY), "");
}

/// 0 if streams can be made until that is refused in an orderly way.
int streams_without_threads() {
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  if (cuInit(0) != CUDA_SUCCESS) return 1;
  if (cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS) return 2;
  cuCtxSetCurrent(context);
  limit_memory(rlim_t{1} << 30);  // less than is mapped already
  for (int i = 0; i < 100; ++i) {
    const CUresult status = cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
    if (status == CUDA_ERROR_OPERATING_SYSTEM || status == CUDA_ERROR_OUT_OF_MEMORY) return 0;
    if (status != CUDA_SUCCESS) return 3;
  }
  return 4;
}

TEST_F(FreshProcess, StreamsMayRunOutOfThreads) {
  EXPECT_EXIT(std::_Exit(streams_without_threads()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace virtual_gpu::testing
