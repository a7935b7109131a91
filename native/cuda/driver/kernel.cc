// Finding and launching kernels.
#include "cuda/driver/kernel.h"

namespace fusebert::cuda {
namespace {

// More has to be asked for (CUDA C++ Programming Guide, "Shared Memory" of compute capability 7.x).
constexpr unsigned kDefaultSharedBytes = 48 << 10;

}  // namespace

Result<Kernel> Kernel::find(const Module& module, const std::string& name,
                            unsigned shared_bytes) {
  Kernel kernel;
  kernel.api_ = &module.api();
  FUSEBERT_CUDA_CHECK(module.api(),
                      cuModuleGetFunction(&kernel.function_, module.get(), name.c_str()));
  if (shared_bytes > kDefaultSharedBytes) {
    FUSEBERT_CUDA_CHECK(module.api(),
                        cuFuncSetAttribute(kernel.function_,
                                           CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                           static_cast<int>(shared_bytes)));
  }
  return kernel;
}

Status Kernel::launch_with(const Stream& stream, const LaunchShape& shape,
                           const void* params) const {
  if (shape.blocks == 0) return Status();
  CUlaunchConfig config = {};
  config.gridDimX = shape.blocks;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = shape.threads;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = shape.shared_bytes;
  config.hStream = stream.get();
  void* arguments[] = {const_cast<void*>(params)};
  FUSEBERT_CUDA_CHECK(*api_, cuLaunchKernelEx(&config, function_, arguments, nullptr));
  return Status();
}

}  // namespace fusebert::cuda
