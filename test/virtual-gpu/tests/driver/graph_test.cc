// Nodes of graphs: reading what a kernel was launched with, and giving it something else.
#include <cuda.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

class OneKernelGraph : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    in_ = words(std::vector<unsigned>(kThreads, 1));
    out_ = words(std::vector<unsigned>(kThreads, 0));
    ASSERT_EQ(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamBeginCapture(stream_, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    function_ = load(add_one());
    ASSERT_EQ(launch(function_, stream_, in_, out_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamEndCapture(stream_, &graph_), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphInstantiate(&exec_, graph_, 0), CUDA_SUCCESS);
    std::size_t count = 1;
    ASSERT_EQ(cuGraphGetNodes(graph_, &node_, &count), CUDA_SUCCESS);
    ASSERT_EQ(count, 1u);
  }
  void run() {
    EXPECT_EQ(cuGraphUpload(exec_, stream_), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphLaunch(exec_, stream_), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamSynchronize(stream_), CUDA_SUCCESS);
  }

  CUdeviceptr in_ = 0;
  CUdeviceptr out_ = 0;
  CUfunction function_ = nullptr;
  CUstream stream_ = nullptr;
  CUgraph graph_ = nullptr;
  CUgraphExec exec_ = nullptr;
  CUgraphNode node_ = nullptr;
};

TEST_F(OneKernelGraph, SaysWhatItWasLaunchedWith) {
  CUgraphNodeType type;
  EXPECT_EQ(cuGraphNodeGetType(node_, &type), CUDA_SUCCESS);
  EXPECT_EQ(type, CU_GRAPH_NODE_TYPE_KERNEL);
  CUDA_KERNEL_NODE_PARAMS parameters{};
  ASSERT_EQ(cuGraphKernelNodeGetParams(node_, &parameters), CUDA_SUCCESS);
  EXPECT_EQ(parameters.func, function_);
  EXPECT_EQ(parameters.gridDimX, 1u);
  EXPECT_EQ(parameters.blockDimX, kThreads);
  EXPECT_EQ(parameters.sharedMemBytes, 0u);
  ASSERT_NE(parameters.kernelParams, nullptr);
  EXPECT_EQ(*static_cast<CUdeviceptr*>(parameters.kernelParams[0]), in_);
  EXPECT_EQ(*static_cast<CUdeviceptr*>(parameters.kernelParams[1]), out_);
  EXPECT_EQ(cuGraphExecKernelNodeSetParams(exec_, node_, &parameters), CUDA_SUCCESS)
      << "what was read can be set";
  run();
  EXPECT_EQ(read(out_, kThreads), std::vector<unsigned>(kThreads, 2));
}

TEST_F(OneKernelGraph, IsLaunchedWithSomethingElse) {
  CUDA_KERNEL_NODE_PARAMS parameters{};
  ASSERT_EQ(cuGraphKernelNodeGetParams(node_, &parameters), CUDA_SUCCESS);
  const CUdeviceptr other = words(std::vector<unsigned>(kThreads, 0));
  CUdeviceptr argument = other;
  void* pointers[] = {&in_, &argument};
  parameters.kernelParams = pointers;
  parameters.blockDimX = 2;
  ASSERT_EQ(cuGraphExecKernelNodeSetParams(exec_, node_, &parameters), CUDA_SUCCESS);
  argument = 0;  // its value was copied
  run();
  EXPECT_EQ(read(out_, 1)[0], 0u);
  EXPECT_EQ(read(other, 3), (std::vector<unsigned>{2, 2, 0}));
  ASSERT_EQ(cuGraphKernelNodeGetParams(node_, &parameters), CUDA_SUCCESS);
  EXPECT_EQ(parameters.blockDimX, kThreads) << "the graph itself is as it was";
  parameters.blockDimX = 2048;
  EXPECT_EQ(cuGraphExecKernelNodeSetParams(exec_, node_, &parameters), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace virtual_gpu::testing
