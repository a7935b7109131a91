// What must not be done while a stream is being captured, and what that does to the capture.
#include <cuda.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

TEST_F(Driver, CapturesThatGoWrong) {
  CUstream stream = nullptr;
  CUstream side = nullptr;
  CUevent fork = nullptr;
  CUgraph graph = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&side, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_ILLEGAL_STATE);
  const CUdeviceptr a = words(std::vector<unsigned>(kThreads, 0));

  EXPECT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuMemsetD32Async(a, 1, 1, stream), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(graph, nullptr);

  EXPECT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD32Async(a, 1, 1, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(fork, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamWaitEvent(side, fork, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD32Async(a, 2, 1, side), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  CUstreamCaptureStatus status;
  EXPECT_EQ(cuStreamIsCapturing(side, &status), CUDA_SUCCESS);
  EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_NONE);
}

class UnsafeCalls : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    ASSERT_EQ(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }
  /// Whether the capture of that mode survives the call.
  template <typename Call>
  bool survives(CUstreamCaptureMode mode, Call call) {
    CUgraph graph = nullptr;
    EXPECT_EQ(cuStreamBeginCapture(stream_, mode), CUDA_SUCCESS);
    const CUresult status = call();
    const CUresult end = cuStreamEndCapture(stream_, &graph);
    EXPECT_EQ(status, end == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    EXPECT_TRUE(end == CUDA_SUCCESS || end == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    return end == CUDA_SUCCESS;
  }

  CUstream stream_ = nullptr;
};

CUresult allocate_something() {
  CUdeviceptr address = 0;
  return cuMemAlloc(&address, 4);
}

TEST_F(UnsafeCalls, EndCapturesOfTheirThread) {
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, allocate_something));
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, allocate_something));
  EXPECT_TRUE(survives(CU_STREAM_CAPTURE_MODE_RELAXED, allocate_something));
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, cuCtxSynchronize));
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAlloc(&address, 4), CUDA_SUCCESS);
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, [&] { return cuMemFree(address); }));
  EXPECT_EQ(cuMemFree(address), CUDA_SUCCESS) << "the refused call freed nothing";
  void* host = nullptr;
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL,
                        [&] { return cuMemHostAlloc(&host, 64, 0); }));
  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, [&] { return cuEventQuery(event); }));
}

TEST_F(UnsafeCalls, OfOtherThreadsEndGlobalCapturesOnly) {
  const auto elsewhere = [this] {
    CUresult status = CUDA_ERROR_UNKNOWN;
    std::thread([&] {
      EXPECT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
      status = allocate_something();
    }).join();
    return status;
  };
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, elsewhere));
  EXPECT_TRUE(survives(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, elsewhere));
}

TEST_F(UnsafeCalls, AreAllowedByTheThreadsMode) {
  const auto relaxed = [] {
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    EXPECT_EQ(cuThreadExchangeStreamCaptureMode(&mode), CUDA_SUCCESS);
    EXPECT_EQ(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
    const CUresult status = allocate_something();
    EXPECT_EQ(cuThreadExchangeStreamCaptureMode(&mode), CUDA_SUCCESS);
    EXPECT_EQ(mode, CU_STREAM_CAPTURE_MODE_RELAXED);
    return status;
  };
  EXPECT_TRUE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, relaxed));
  EXPECT_FALSE(survives(CU_STREAM_CAPTURE_MODE_GLOBAL, allocate_something));
}

TEST_F(UnsafeCalls, ACaptureEndsInItsThread) {
  CUgraph graph = nullptr;
  ASSERT_EQ(cuStreamBeginCapture(stream_, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  std::thread([&] {
    EXPECT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamEndCapture(stream_, &graph), CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  }).join();
  EXPECT_EQ(cuStreamEndCapture(stream_, &graph), CUDA_SUCCESS);
}

}  // namespace
}  // namespace virtual_gpu::testing
