#include "driver/launch.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "driver/faults.h"
#include "driver/report.h"

namespace virtual_gpu {
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

/// Device memory in which the blocks of a cooperative launch count each other at their barrier; the
/// layout is that of cooperative groups: its size, then the counter.
class GridWorkspace {
 public:
  GridWorkspace(Context& context, bool needed) : memory_(*context.device.memory) {
    if (!needed) return;
    const std::uint32_t content[2] = {sizeof content, 0};
    Allocation* allocation =
        memory_.allocate(sizeof content, MemoryKind::kDevice, "the grid's workspace");
    if (allocation == nullptr) return;
    std::memcpy(allocation->data, content, sizeof content);
    std::memset(allocation->defined, 0xFF, sizeof content);
    address_ = allocation->address;
  }
  ~GridWorkspace() {
    if (address_ != 0) memory_.free(address_);
  }
  GridWorkspace(const GridWorkspace&) = delete;
  GridWorkspace& operator=(const GridWorkspace&) = delete;
  std::uint64_t address() const { return address_; }

 private:
  Memory& memory_;
  std::uint64_t address_ = 0;
};

int rounded_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

int blocks_per_multiprocessor(const Kernel& kernel, int threads, std::size_t dynamic_shared) {
  constexpr int kRegisterUnit = 256;  // registers are given out to a warp in these
  const Profile& p = *kernel.module->context->device.profile;
  const std::size_t own_shared = kernel.program->shared_bytes;
  const auto most_shared = static_cast<std::size_t>(p.shared_per_block_optin);
  if (threads > kMaxThreadsPerBlock || dynamic_shared > most_shared ||
      own_shared + dynamic_shared > most_shared) {
    return 0;
  }
  const int warps = (threads + static_cast<int>(kLanes) - 1) / static_cast<int>(kLanes);
  const int by_threads = p.threads_per_multiprocessor / static_cast<int>(kLanes) / warps;
  const int per_warp =
      rounded_up(kernel.registers() * static_cast<int>(kLanes), kRegisterUnit);
  const int by_registers = kRegistersPerMultiprocessor / per_warp / warps;
  const auto shared = static_cast<int>(own_shared + dynamic_shared) + p.reserved_shared();
  const int by_shared =
      shared == 0 ? p.blocks_per_multiprocessor : p.shared_per_multiprocessor / shared;
  return std::min({by_threads, by_registers, by_shared, p.blocks_per_multiprocessor});
}

CUresult check_launch(const KernelLaunch& launch) {
  const Kernel& kernel = *launch.kernel;
  const LaunchShape& shape = launch.shape;
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
  if (std::int64_t{shape.dynamic_shared_bytes} > kernel.max_dynamic_shared) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const int resident = blocks_per_multiprocessor(kernel, static_cast<int>(shape.threads()),
                                                 shape.dynamic_shared_bytes);
  if (resident == 0) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  const int multiprocessors = kernel.module->context->device.profile->multiprocessors;
  const auto most = static_cast<std::uint64_t>(multiprocessors * resident);
  if (launch.cooperative && shape.blocks() > most) {
    return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
  }
  return CUDA_SUCCESS;
}

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

void run_launch(Context& context, const KernelLaunch& launch) {
  if (context.sticky != CUDA_SUCCESS) return;
  if (const auto failure = Faults::instance().kernel_fails()) {
    if (*failure == CUDA_ERROR_DEVICE_UNAVAILABLE) context.device.lost = true;
    return context.fail(*failure, "an injected fault instead of " + launch.kernel->program->name);
  }
  const Profile& profile = *context.device.profile;
  const Settings& settings = Driver::instance().settings();
  const int resident =
      blocks_per_multiprocessor(*launch.kernel, static_cast<int>(launch.shape.threads()),
                                launch.shape.dynamic_shared_bytes);
  MachineShape machine;
  machine.multiprocessors = static_cast<std::uint32_t>(profile.multiprocessors);
  machine.resident_blocks = static_cast<std::uint32_t>(profile.multiprocessors * resident);
  machine.architecture = static_cast<std::uint32_t>(profile.architecture());
  machine.host_threads = settings.host_threads;
  machine.max_instructions = settings.max_instructions;
  const std::lock_guard lock(context.device.execution);
  if (context.sticky != CUDA_SUCCESS) return;  // of a kernel that was waited for
  try {
    const Memory::Use use(*context.device.memory);
    const GridWorkspace workspace(context, launch.cooperative);
    machine.grid_workspace = workspace.address();
    Grid grid(*launch.kernel->program, launch.parameters, launch.shape, machine,
              *context.device.memory, settings.seed);
    grid.run();
    append_report(launch, grid.counters());
  } catch (const DeviceFault& fault) {
    context.fail(status_of(fault.hazard().kind), fault.what());
  } catch (const std::bad_alloc&) {
    context.fail(CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left for the launch");
  } catch (const std::exception& error) {
    context.fail(CUDA_ERROR_UNKNOWN, error.what());
  }
}

}  // namespace virtual_gpu
