// Launches and occupancy (CUDA driver API, sections "Execution Control", "Occupancy").
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "driver/export.h"
#include "driver/state.h"
#include "machine/grid.h"

using namespace virtual_gpu;

namespace {

CUresult status_of(HazardKind kind) {
  switch (kind) {
    case HazardKind::kOutOfBounds:
    case HazardKind::kUseAfterFree:
    case HazardKind::kReadOnly: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case HazardKind::kMisaligned: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case HazardKind::kHang: return CUDA_ERROR_LAUNCH_TIMEOUT;
    case HazardKind::kInvalidInstruction: return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    default: return CUDA_ERROR_LAUNCH_FAILED;
  }
}

int rounded_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

/// Blocks of this kernel that a multiprocessor holds at once; what limits them is the least of
/// threads, blocks, registers and shared memory.
int blocks_per_multiprocessor(const Kernel& kernel, int threads, std::size_t dynamic_shared) {
  constexpr int kRegisterUnit = 256;  // registers are given out to a warp in these
  const Profile& p = *kernel.module->context->device.profile;
  const int warps = (threads + static_cast<int>(kLanes) - 1) / static_cast<int>(kLanes);
  const int by_threads = p.threads_per_multiprocessor / static_cast<int>(kLanes) / warps;
  const int per_warp =
      rounded_up(kernel.registers() * static_cast<int>(kLanes), kRegisterUnit);
  const int by_registers = kRegistersPerMultiprocessor / per_warp / warps;
  const int reserved = p.major >= 8 ? kReservedSharedPerBlock : 0;
  const auto shared = static_cast<int>(kernel.program->shared_bytes + dynamic_shared) + reserved;
  const int by_shared =
      shared == 0 ? p.blocks_per_multiprocessor : p.shared_per_multiprocessor / shared;
  return std::min({by_threads, by_registers, by_shared, p.blocks_per_multiprocessor});
}

CUresult check_shape(const Kernel& kernel, const LaunchShape& shape) {
  for (int axis = 0; axis < 3; ++axis) {
    if (shape.grid[axis] == 0 || shape.block[axis] == 0) return CUDA_ERROR_INVALID_VALUE;
  }
  const bool grid_fits = shape.grid[0] <= kMaxGridX && shape.grid[1] <= kMaxGridYZ &&
                         shape.grid[2] <= kMaxGridYZ;
  const bool block_fits = shape.block[0] <= kMaxThreadsPerBlock &&
                          shape.block[1] <= kMaxThreadsPerBlock && shape.block[2] <= kMaxBlockZ;
  if (!grid_fits || !block_fits || shape.threads() > kMaxThreadsPerBlock) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Program& program = *kernel.program;
  if (program.max_threads_per_block != 0 && shape.threads() > program.max_threads_per_block) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (program.required_threads[0] != 0 &&
      !std::equal(shape.block, shape.block + 3, program.required_threads)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (static_cast<int>(shape.dynamic_shared_bytes) > kernel.max_dynamic_shared) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (blocks_per_multiprocessor(kernel, static_cast<int>(shape.threads()),
                                shape.dynamic_shared_bytes) == 0) {
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  }
  return CUDA_SUCCESS;
}

/// The parameter block, from an array of pointers or from the launch's "extra".
CUresult gather_parameters(const Program& program, void** parameters, void** extra,
                           std::vector<std::byte>& block) {
  block.assign(program.parameter_bytes, std::byte{0});
  if (parameters != nullptr) {
    for (std::size_t i = 0; i < program.parameters.size(); ++i) {
      const Parameter& parameter = program.parameters[i];
      std::memcpy(block.data() + parameter.offset, parameters[i], parameter.bytes);
    }
    return CUDA_SUCCESS;
  }
  if (extra == nullptr) {
    return program.parameters.empty() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  const void* buffer = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
    if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[i + 1];
    if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<std::size_t*>(extra[i + 1]);
  }
  if (buffer == nullptr || size < block.size()) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(block.data(), buffer, block.size());
  return CUDA_SUCCESS;
}

void run_launch(Context& context, const Kernel& kernel, const LaunchShape& shape,
                std::vector<std::byte> parameters) {
  if (context.sticky != CUDA_SUCCESS) return;
  const Profile& profile = *context.device.profile;
  const Settings& settings = Driver::instance().settings();
  MachineShape machine;
  machine.multiprocessors = static_cast<std::uint32_t>(profile.multiprocessors);
  machine.resident_blocks = static_cast<std::uint32_t>(
      profile.multiprocessors * blocks_per_multiprocessor(kernel, static_cast<int>(shape.threads()),
                                                          shape.dynamic_shared_bytes));
  machine.architecture = static_cast<std::uint32_t>(profile.architecture());
  machine.host_threads = settings.host_threads;
  const std::lock_guard lock(context.device.execution);
  Grid grid(*kernel.program, std::move(parameters), shape, machine, *context.device.memory,
            settings.seed);
  try {
    grid.run();
  } catch (const DeviceFault& fault) {
    context.fail(status_of(fault.hazard().kind), fault.what());
  }
}

CUresult launch(CUfunction function, const LaunchShape& shape, CUstream stream, void** parameters,
                void** extra, bool cooperative) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (function == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const auto* kernel = reinterpret_cast<Kernel*>(function);
  CUresult status = check_shape(*kernel, shape);
  if (status != CUDA_SUCCESS) return status;
  if (cooperative) {
    const auto resident = static_cast<std::uint64_t>(now.context->device.profile->multiprocessors) *
                          static_cast<std::uint64_t>(blocks_per_multiprocessor(
                              *kernel, static_cast<int>(shape.threads()),
                              shape.dynamic_shared_bytes));
    if (shape.blocks() > resident) return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
  }
  std::vector<std::byte> block;
  status = gather_parameters(*kernel->program, parameters, extra, block);
  if (status != CUDA_SUCCESS) return status;
  Context* context = now.context;
  context->add(stream_of(*context, stream), [=, block = std::move(block)]() mutable {
    run_launch(*context, *kernel, shape, std::move(block));
  });
  return CUDA_SUCCESS;
}

}  // namespace

VIRTUAL_GPU_API cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y,
                               unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                               unsigned int block_z, unsigned int shared_bytes, CUstream stream,
                               void** parameters, void** extra) {
  const LaunchShape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  return launch(function, shape, stream, parameters, extra, false);
}

VIRTUAL_GPU_API cuLaunchCooperativeKernel(CUfunction function, unsigned int grid_x,
                                          unsigned int grid_y, unsigned int grid_z,
                                          unsigned int block_x, unsigned int block_y,
                                          unsigned int block_z, unsigned int shared_bytes,
                                          CUstream stream, void** parameters) {
  const LaunchShape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  return launch(function, shape, stream, parameters, nullptr, true);
}

VIRTUAL_GPU_API cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                                 void** parameters, void** extra) {
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
}

VIRTUAL_GPU_API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks,
                                                                     CUfunction function,
                                                                     int block_size,
                                                                     std::size_t dynamic_shared,
                                                                     unsigned int) {
  if (blocks == nullptr || function == nullptr || block_size <= 0) return CUDA_ERROR_INVALID_VALUE;
  *blocks = blocks_per_multiprocessor(*reinterpret_cast<Kernel*>(function), block_size,
                                      dynamic_shared);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function,
                                                            int block_size,
                                                            std::size_t dynamic_shared) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, block_size,
                                                              dynamic_shared, 0);
}
