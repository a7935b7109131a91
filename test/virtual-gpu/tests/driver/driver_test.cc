// The driver's functions, called as an application calls them.
#include <cuda.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

/// Out-of-bounds in every thread.
std::string faulty() { return kernel_of("ld.global.u32 %r0, [%in+4096];"); }

TEST_F(Driver, DevicesAndAttributes) {
  int count = 0;
  int version = 0;
  int value = 0;
  EXPECT_EQ(cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cuDriverGetVersion(&version), CUDA_SUCCESS);
  EXPECT_GE(version, 13000);
  EXPECT_EQ(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 8);
  EXPECT_EQ(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 163 << 10);
  CUdevice none;
  EXPECT_EQ(cuDeviceGet(&none, 1), CUDA_ERROR_INVALID_DEVICE);
  const char* name = nullptr;
  EXPECT_EQ(cuGetErrorName(CUDA_ERROR_INVALID_PTX, &name), CUDA_SUCCESS);
  EXPECT_STREQ(name, "CUDA_ERROR_INVALID_PTX");
}

TEST_F(Driver, LaunchesOnDataOfTheHost) {
  const CUfunction function = load(add_one());
  const CUdeviceptr in = words(std::vector<unsigned>(kThreads, 41));
  const CUdeviceptr out = words(std::vector<unsigned>(kThreads, 0));
  EXPECT_EQ(launch(function, nullptr, in, out), CUDA_SUCCESS);
  EXPECT_EQ(read(out, kThreads), std::vector<unsigned>(kThreads, 42));
}

TEST_F(Driver, RefusesCubinsAndWrongPtx) {
  CUmodule module = nullptr;
  const unsigned char cubin[] = {0x7F, 'E', 'L', 'F', 0, 0, 0, 0};
  EXPECT_EQ(cuModuleLoadData(&module, cubin), CUDA_ERROR_NO_BINARY_FOR_GPU);
  char log[256] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  const std::string text = kernel_of("frobnicate.u32 %r0, %r1;");
  EXPECT_EQ(cuModuleLoadDataEx(&module, text.c_str(), 2, options, values), CUDA_ERROR_INVALID_PTX);
  EXPECT_EQ(std::string(log), "line " + std::to_string(kBodyLine) +
                                  ": \"frobnicate\" is no known instruction");
}

TEST_F(Driver, LimitsOfLaunches) {
  const CUfunction function = load(add_one());
  const CUdeviceptr in = words(std::vector<unsigned>(2048, 0));
  EXPECT_EQ(launch(function, nullptr, in, in, 1025), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(function, nullptr, in, in, 64, (48 << 10) + 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                               163 << 10),
            CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, in, in, 64, 100 << 10), CUDA_SUCCESS);
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                               (163 << 10) + 1),
            CUDA_ERROR_INVALID_VALUE);
  int blocks = 0;
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 1024, 100 << 10),
            CUDA_SUCCESS);
  EXPECT_EQ(blocks, 1);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Driver, MemoryRunsOutAndComesBack) {
  std::size_t before = 0;
  std::size_t total = 0;
  EXPECT_EQ(cuMemGetInfo(&before, &total), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc(&address, total + 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemAlloc(&address, 1 << 20), CUDA_SUCCESS);
  EXPECT_EQ(address % 256, 0u);
  std::size_t now = 0;
  EXPECT_EQ(cuMemGetInfo(&now, &total), CUDA_SUCCESS);
  EXPECT_EQ(before - now, std::size_t{1} << 20);
  EXPECT_EQ(cuMemFree(address), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree(address), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, AFaultStaysWithTheContext) {
  const CUfunction function = load(faulty());
  const CUdeviceptr in = words({1});
  EXPECT_EQ(launch(function, nullptr, in, in, 1), CUDA_SUCCESS) << "launches are asynchronous";
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Driver, ReadingWhatNobodyWroteIsAFault) {
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAlloc(&address, 8), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32(address, 5, 1), CUDA_SUCCESS);
  unsigned value = 0;
  EXPECT_EQ(cuMemcpyDtoH(&value, address, 4), CUDA_SUCCESS);
  EXPECT_EQ(value, 5u);
  EXPECT_EQ(cuMemcpyDtoH(&value, address + 4, 4), CUDA_ERROR_LAUNCH_FAILED);
}

TEST_F(Driver, InjectedFaults) {
  const CUfunction function = load(add_one());
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));
  CUdeviceptr address = 0;
  ASSERT_EQ(virtual_gpu_set_faults("alloc=2;launch=2"), 0);
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  ASSERT_EQ(virtual_gpu_set_faults("alloc-above=1000;driver=12080;without=cuGraphLaunch"), 0);
  EXPECT_EQ(cuMemAlloc(&address, 1001), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemAlloc(&address, 1000), CUDA_SUCCESS);
  int version = 0;
  EXPECT_EQ(cuDriverGetVersion(&version), CUDA_SUCCESS);
  EXPECT_EQ(version, 12080);
  void* symbol = nullptr;
  EXPECT_EQ(cuGetProcAddress("cuGraphLaunch", &symbol, 12080, 0, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(symbol, nullptr);
  EXPECT_NE(virtual_gpu_set_faults("frobnicate=1"), 0);
  // Kernels that are still to run would count.
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  ASSERT_EQ(virtual_gpu_set_faults("lost=2"), 0);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, nullptr, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_EQ(cuMemAlloc(&address, 4), CUDA_ERROR_DEVICE_UNAVAILABLE);
  ASSERT_EQ(virtual_gpu_set_faults(""), 0);
}

TEST_F(Driver, StreamsRunBesideTheCallerAndInOrder) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  std::atomic<bool> may_go = false;
  std::atomic<int> steps = 0;
  struct Shared {
    std::atomic<bool>* may_go;
    std::atomic<int>* steps;
  } shared{&may_go, &steps};
  const CUhostFn wait = [](void* data) {
    auto* s = static_cast<Shared*>(data);
    while (!*s->may_go) std::this_thread::yield();
    ++*s->steps;
  };
  EXPECT_EQ(cuLaunchHostFunc(stream, wait, &shared), CUDA_SUCCESS);
  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(event, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(steps, 0);
  may_go = true;
  EXPECT_EQ(cuEventSynchronize(event), CUDA_SUCCESS);
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_SUCCESS);
  CUevent later = nullptr;
  ASSERT_EQ(cuEventCreate(&later, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(later, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuEventSynchronize(later), CUDA_SUCCESS);
  float milliseconds = -1;
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, event, later), CUDA_SUCCESS);
  EXPECT_GE(milliseconds, 0);
  EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
}

TEST_F(Driver, EventsOrderStreams) {
  CUstream first = nullptr;
  CUstream second = nullptr;
  CUevent event = nullptr;
  ASSERT_EQ(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  const CUfunction function = load(add_one());
  const CUdeviceptr values = words(std::vector<unsigned>(kThreads, 0));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(launch(function, first, values, values), CUDA_SUCCESS);
    EXPECT_EQ(cuEventRecord(event, first), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamWaitEvent(second, event, 0), CUDA_SUCCESS);
    EXPECT_EQ(launch(function, second, values, values), CUDA_SUCCESS);
    EXPECT_EQ(cuEventRecord(event, second), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamWaitEvent(first, event, 0), CUDA_SUCCESS);
  }
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(read(values, kThreads), std::vector<unsigned>(kThreads, 10));
}

TEST_F(Driver, GraphsAreCapturedLaunchedAndUpdated) {
  CUstream stream = nullptr;
  CUstream side = nullptr;
  CUevent fork = nullptr;
  CUevent join = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&side, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  const CUfunction function = load(add_one());
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));
  const CUdeviceptr b = words(std::vector<unsigned>(kThreads, 0));
  const auto capture = [&](CUdeviceptr to) {
    CUgraph graph = nullptr;
    EXPECT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
    EXPECT_EQ(launch(function, stream, a, a), CUDA_SUCCESS);
    EXPECT_EQ(cuEventRecord(fork, stream), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamWaitEvent(side, fork, 0), CUDA_SUCCESS);
    EXPECT_EQ(cuMemsetD32Async(b, 7, kThreads, side), CUDA_SUCCESS);
    EXPECT_EQ(cuEventRecord(join, side), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamWaitEvent(stream, join, 0), CUDA_SUCCESS);
    EXPECT_EQ(launch(function, stream, b, to), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
    return graph;
  };
  const CUgraph graph = capture(b);
  std::size_t count = 0;
  EXPECT_EQ(cuGraphGetNodes(graph, nullptr, &count), CUDA_SUCCESS);
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(read(a, 1)[0], 0u) << "capturing runs nothing";
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiate(&exec, graph, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(read(a, kThreads), std::vector<unsigned>(kThreads, 2));
  EXPECT_EQ(read(b, kThreads), std::vector<unsigned>(kThreads, 8));

  const CUdeviceptr c = words(std::vector<unsigned>(kThreads, 0));
  CUgraphExecUpdateResultInfo info;
  EXPECT_EQ(cuGraphExecUpdate(exec, capture(c), &info), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(read(c, kThreads), std::vector<unsigned>(kThreads, 8));

  CUgraph other = nullptr;
  EXPECT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  EXPECT_EQ(launch(function, stream, a, a), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamEndCapture(stream, &other), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecUpdate(exec, other, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  EXPECT_EQ(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
}

}  // namespace
}  // namespace virtual_gpu::testing
