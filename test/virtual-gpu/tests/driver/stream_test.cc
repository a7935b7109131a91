// Order among streams, also those that are gone, and what streams and events say of themselves.
#include <cuda.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

using namespace std::chrono_literals;

TEST_F(Driver, StreamZeroWaitsForADestroyedStreamWhoeverElseDoes) {
  const CUdeviceptr word = words({1});
  std::atomic<bool> go = false;
  const CUstream stream = held_stream(go, CU_STREAM_DEFAULT);
  ASSERT_EQ(cuMemsetD32Async(word, 2, 1, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
  std::thread waiting([this] {
    EXPECT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  });
  std::this_thread::sleep_for(200ms);
  CUdeviceptr copy = 0;
  EXPECT_EQ(cuMemAlloc(&copy, 4), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoDAsync(copy, word, 4, nullptr), CUDA_SUCCESS);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);
  go = true;
  waiting.join();
  EXPECT_EQ(read(copy, 1)[0], 2u);
}

TEST_F(Driver, StreamZeroDoesNotWaitForADestroyedNonBlockingStream) {
  const CUdeviceptr word = words({1});
  std::atomic<bool> go = false;
  ASSERT_EQ(cuStreamDestroy(held_stream(go, CU_STREAM_NON_BLOCKING)), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32Async(word, 2, 1, nullptr), CUDA_SUCCESS);
  CUresult status = CUDA_ERROR_NOT_READY;
  for (int i = 0; i < 2000 && status == CUDA_ERROR_NOT_READY; ++i) {
    std::this_thread::sleep_for(5ms);
    status = cuStreamQuery(nullptr);
  }
  EXPECT_EQ(status, CUDA_SUCCESS);
  go = true;
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Driver, StreamsHavePrioritiesAndFlags) {
  int least = 1;
  int greatest = 1;
  ASSERT_EQ(cuCtxGetStreamPriorityRange(&least, &greatest), CUDA_SUCCESS);
  EXPECT_EQ(least, 0);
  EXPECT_LT(greatest, least);
  const auto priority_of = [](int wanted) {
    CUstream stream = nullptr;
    int priority = 1;
    EXPECT_EQ(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, wanted), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamGetPriority(stream, &priority), CUDA_SUCCESS);
    unsigned flags = 0;
    EXPECT_EQ(cuStreamGetFlags(stream, &flags), CUDA_SUCCESS);
    EXPECT_EQ(flags, CU_STREAM_NON_BLOCKING);
    EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
    return priority;
  };
  EXPECT_EQ(priority_of(-1), -1);
  EXPECT_EQ(priority_of(greatest - 7), greatest) << "beyond the range is its end";
  EXPECT_EQ(priority_of(3), least);
  int of_stream_zero = 1;
  EXPECT_EQ(cuStreamGetPriority(nullptr, &of_stream_zero), CUDA_SUCCESS);
  EXPECT_EQ(of_stream_zero, 0);
}

TEST_F(Driver, ElapsedTimeNeedsRecordedEvents) {
  CUevent event = nullptr;
  float milliseconds = -1;
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, event, event), CUDA_ERROR_INVALID_HANDLE);
  ASSERT_EQ(cuEventRecord(event, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuEventSynchronize(event), CUDA_SUCCESS);
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, event, event), CUDA_SUCCESS);
  EXPECT_EQ(milliseconds, 0);
}

TEST_F(Driver, StreamZeroCannotGoOnBesideACaptureOfABlockingStream) {
  CUstream blocking = nullptr;
  CUevent event = nullptr;
  ASSERT_EQ(cuStreamCreate(&blocking, CU_STREAM_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(event, nullptr), CUDA_SUCCESS);
  const auto during_capture = [&](auto call) {
    CUgraph graph = nullptr;
    EXPECT_EQ(cuStreamBeginCapture(blocking, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    const CUresult status = call();
    EXPECT_EQ(cuStreamEndCapture(blocking, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    return status;
  };
  const CUresult implicit = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  EXPECT_EQ(during_capture([&] { return cuEventRecord(event, nullptr); }), implicit);
  EXPECT_EQ(during_capture([] { return cuStreamSynchronize(nullptr); }), implicit);
  EXPECT_EQ(during_capture([] { return cuStreamQuery(nullptr); }), implicit);
  EXPECT_EQ(during_capture([&] { return cuStreamWaitEvent(nullptr, event, 0); }), implicit);
}

/// 0 if a stream of one device can wait for an event of another.
int wait_across_devices() {
  setenv("VIRTUAL_GPU_COUNT", "2", 1);
  CUcontext contexts[2] = {};
  CUevent event = nullptr;
  CUstream stream = nullptr;
  if (cuInit(0) != CUDA_SUCCESS) return 1;
  for (int i = 0; i < 2; ++i) cuDevicePrimaryCtxRetain(&contexts[i], i);
  cuCtxSetCurrent(contexts[0]);
  if (cuEventCreate(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) return 2;
  if (cuEventRecord(event, nullptr) != CUDA_SUCCESS) return 3;
  cuCtxSetCurrent(contexts[1]);
  if (cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS) return 4;
  if (cuStreamWaitEvent(stream, event, 0) != CUDA_SUCCESS) return 5;
  if (cuEventRecord(event, stream) != CUDA_ERROR_INVALID_HANDLE) return 6;
  cuCtxSetCurrent(contexts[0]);
  if (cuStreamSynchronize(stream) != CUDA_SUCCESS) return 7;
  CUdeviceptr word = 0;
  if (cuMemAlloc(&word, 4) != CUDA_SUCCESS) return 8;
  if (cuMemsetD32Async(word, 1, 1, stream) != CUDA_ERROR_INVALID_HANDLE) return 9;
  return cuStreamDestroy(stream) == CUDA_SUCCESS ? 0 : 10;
}

TEST(Devices, ShareEventsAndNotStreams) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::_Exit(wait_across_devices()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace virtual_gpu::testing
