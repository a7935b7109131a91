// Which functions a loader gets, and which PTX is taken, by the driver's version.
#include <cuda.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/driver/harness.h"

namespace virtual_gpu::testing {
namespace {

struct Answer {
  void* function = nullptr;
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SUCCESS;
};

Answer ask(const char* name, int version) {
  Answer answer;
  EXPECT_EQ(cuGetProcAddress(name, &answer.function, version, 0, &answer.found), CUDA_SUCCESS);
  return answer;
}

template <typename Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

TEST_F(Driver, EntryPointsByName) {
  EXPECT_EQ(ask("cuMemAlloc", 13000).function, address(&cuMemAlloc));
  EXPECT_EQ(ask("cuMemAlloc", 3020).function, address(&cuMemAlloc));
  EXPECT_EQ(ask("cuGraphInstantiateWithFlags", 12000).function,
            address(&cuGraphInstantiateWithFlags));
  const Answer none = ask("cuFrobnicate", 13000);
  EXPECT_EQ(none.function, nullptr);
  EXPECT_EQ(none.found, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  void* function = nullptr;
  EXPECT_EQ(cuGetProcAddress("cuMemAlloc", &function, 99990, 0, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuGetProcAddress("cuMemAlloc", &function, 13000, 8, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuGetProcAddress("cuMemAlloc", &function, 13000,
                             CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(function, address(&cuMemAlloc));
}

TEST_F(Driver, EntryPointsOfAVersionHaveItsForm) {
  const Answer before = ask("cuMemAllocAsync", 11010);
  EXPECT_EQ(before.function, nullptr);
  EXPECT_EQ(before.found, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  // Its addresses had 32 bits.
  EXPECT_EQ(ask("cuMemAlloc", 3010).found, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  EXPECT_EQ(ask("cuGraphKernelNodeGetParams", 11080).function, nullptr);
  EXPECT_EQ(ask("cuGraphKernelNodeGetParams", 12000).function,
            address(&cuGraphKernelNodeGetParams));
  EXPECT_EQ(ask("cuEventElapsedTime", 12080).function, address(&cuEventElapsedTime));
  EXPECT_NE(ask("cuEventElapsedTime", 12070).function, address(&cuEventElapsedTime));
  // Flags alone have a name of their own: to ask by the macro's name gives the five parameters.
  EXPECT_NE(ask("cuGraphInstantiate", 13000).function, address(&cuGraphInstantiateWithFlags));
  EXPECT_EQ(ask("cuCtxSynchronize", 12090).function, address(&cuCtxSynchronize));
  using SynchronizeContext = CUresult (*)(CUcontext);
  const auto synchronize =
      reinterpret_cast<SynchronizeContext>(ask("cuCtxSynchronize", 13000).function);
  EXPECT_EQ(synchronize(context_), CUDA_SUCCESS);
  EXPECT_EQ(synchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(synchronize(reinterpret_cast<CUcontext>(1)), CUDA_ERROR_INVALID_CONTEXT);
}

TEST_F(Driver, AnOlderDriverLacksNewerFunctions) {
  ASSERT_EQ(virtual_gpu_set_faults("driver=11030"), 0);
  EXPECT_EQ(ask("cuMemAllocAsync", 11030).function, address(&cuMemAllocAsync));
  EXPECT_EQ(ask("cuLibraryLoadData", 11030).found, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  EXPECT_NE(ask("cuGetProcAddress", 11030).function, nullptr);
  void* function = nullptr;
  EXPECT_EQ(cuGetProcAddress("cuInit", &function, 12000, 0, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Driver, OlderFormsHaveThePlainNames) {
  const auto plain = [](const char* name) { return dlsym(RTLD_DEFAULT, name); };
  using GetProcAddress = CUresult (*)(const char*, void**, int, cuuint64_t);
  const auto get = reinterpret_cast<GetProcAddress>(plain("cuGetProcAddress"));
  ASSERT_NE(get, nullptr);
  void* function = nullptr;
  EXPECT_EQ(get("cuInit", &function, 12000, 0), CUDA_SUCCESS);
  EXPECT_EQ(function, address(&cuInit));
  EXPECT_EQ(get("cuFrobnicate", &function, 12000, 0), CUDA_ERROR_NOT_FOUND);

  using ElapsedTime = CUresult (*)(float*, CUevent, CUevent);
  const auto elapsed = reinterpret_cast<ElapsedTime>(plain("cuEventElapsedTime"));
  ASSERT_NE(elapsed, nullptr);
  CUevent event = nullptr;
  float milliseconds = -1;
  ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(event, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuEventSynchronize(event), CUDA_SUCCESS);
  EXPECT_EQ(elapsed(&milliseconds, event, event), CUDA_SUCCESS);
  EXPECT_EQ(milliseconds, 0);

  using Instantiate = CUresult (*)(CUgraphExec*, CUgraph, CUgraphNode*, char*, std::size_t);
  const auto instantiate = reinterpret_cast<Instantiate>(plain("cuGraphInstantiate"));
  ASSERT_NE(instantiate, nullptr);
  CUstream stream = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  auto* error_node = reinterpret_cast<CUgraphNode>(&graph);
  char log[8] = "before";
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  EXPECT_EQ(instantiate(&exec, graph, &error_node, log, sizeof log), CUDA_SUCCESS);
  EXPECT_EQ(error_node, nullptr);
  EXPECT_STREQ(log, "");
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
}

TEST_F(Driver, PtxNewerThanTheDriverIsRefused) {
  const auto load_version = [](const std::string& version) {
    std::string text = kernel_of("");
    text.replace(text.find("8.6"), 3, version);
    CUmodule module = nullptr;
    return cuModuleLoadData(&module, text.c_str());
  };
  const CUresult refused = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  EXPECT_EQ(load_version("9.0"), CUDA_SUCCESS);
  EXPECT_EQ(load_version("9.9"), refused);
  ASSERT_EQ(virtual_gpu_set_faults("driver=12000"), 0);
  EXPECT_EQ(load_version("8.0"), CUDA_SUCCESS);
  EXPECT_EQ(load_version("8.1"), refused);
  EXPECT_EQ(load_version("9.0"), refused);
  ASSERT_EQ(virtual_gpu_set_faults("driver=12060"), 0);
  EXPECT_EQ(load_version("8.5"), CUDA_SUCCESS);
  EXPECT_EQ(load_version("8.6"), refused);
  ASSERT_EQ(virtual_gpu_set_faults("driver=12080"), 0);
  EXPECT_EQ(load_version("8.7"), CUDA_SUCCESS);
  EXPECT_EQ(load_version("8.8"), refused);
}

}  // namespace
}  // namespace virtual_gpu::testing
