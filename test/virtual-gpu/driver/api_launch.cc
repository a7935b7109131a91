// Launches (CUDA driver API, section "Execution Control").
#include <utility>

#include "driver/export.h"
#include "driver/faults.h"
#include "driver/launch.h"

using namespace virtual_gpu;

namespace {

CUresult launch(CUfunction function, const LaunchShape& shape, CUstream stream, void** parameters,
                void** extra, bool cooperative) {
  const CurrentStream now = current_stream(stream);
  if (now.status != CUDA_SUCCESS) return now.status;
  const Kernel* kernel = find_kernel(function);
  if (kernel == nullptr || kernel->module->context != now.context) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (Faults::instance().launch_is_refused()) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  Work work{.type = CU_GRAPH_NODE_TYPE_KERNEL, .run = {}, .launch = {}};
  work.launch.kernel = kernel;
  work.launch.shape = shape;
  work.launch.cooperative = cooperative;
  CUresult status = check_launch(work.launch);
  if (status != CUDA_SUCCESS) return status;
  status = gather_parameters(*work.launch.kernel->program, parameters, extra,
                             work.launch.parameters);
  if (status != CUDA_SUCCESS) return status;
  return now.context->submit(*now.stream, std::move(work));
}

}  // namespace

VIRTUAL_GPU_API cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y,
                               unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                               unsigned int block_z, unsigned int shared_bytes, CUstream stream,
                               void** parameters, void** extra) try {
  const LaunchShape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  return launch(function, shape, stream, parameters, extra, false);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuLaunchCooperativeKernel(CUfunction function, unsigned int grid_x,
                                          unsigned int grid_y, unsigned int grid_z,
                                          unsigned int block_x, unsigned int block_y,
                                          unsigned int block_z, unsigned int shared_bytes,
                                          CUstream stream, void** parameters) try {
  const LaunchShape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  return launch(function, shape, stream, parameters, nullptr, true);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                                 void** parameters, void** extra) try {
  if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
  bool cooperative = false;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const CUlaunchAttribute& attribute = config->attrs[i];
    switch (attribute.id) {
      case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
        cooperative = attribute.value.cooperative != 0;
        break;
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: {
        const auto& cluster = attribute.value.clusterDim;
        if (cluster.x * cluster.y * cluster.z > 1) return CUDA_ERROR_NOT_SUPPORTED;
        break;
      }
      default:  // priorities, access policies and the like change no result
        break;
    }
  }
  const LaunchShape shape{{config->gridDimX, config->gridDimY, config->gridDimZ},
                          {config->blockDimX, config->blockDimY, config->blockDimZ},
                          config->sharedMemBytes};
  return launch(function, shape, config->hStream, parameters, extra, cooperative);
} VIRTUAL_GPU_END
