// How many blocks a multiprocessor holds at once (CUDA driver API, section "Occupancy").
#include <algorithm>

#include "driver/export.h"
#include "driver/launch.h"

using namespace virtual_gpu;

namespace {

/// The kernel, or the error that calls with its handle return.
struct FoundKernel {
  CUresult status = CUDA_SUCCESS;
  const Kernel* kernel = nullptr;
};

FoundKernel kernel_for_occupancy(CUfunction function) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return {now.status, nullptr};
  const Kernel* kernel = find_kernel(function);
  return {kernel == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS, kernel};
}

constexpr int kWarp = static_cast<int>(kLanes);

}  // namespace

VIRTUAL_GPU_API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks,
                                                                     CUfunction function,
                                                                     int block_size,
                                                                     std::size_t dynamic_shared,
                                                                     unsigned int) try {
  if (blocks == nullptr || block_size <= 0) return CUDA_ERROR_INVALID_VALUE;
  const auto [status, kernel] = kernel_for_occupancy(function);
  if (kernel == nullptr) return status;
  *blocks = blocks_per_multiprocessor(*kernel, block_size, dynamic_shared);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function,
                                                            int block_size,
                                                            std::size_t dynamic_shared) try {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, block_size,
                                                              dynamic_shared, 0);
} VIRTUAL_GPU_END

// As in the toolkit's cuda_occupancy.h: of all whole warps, from the largest block down, the first
// that keeps the most threads resident.
VIRTUAL_GPU_API cuOccupancyMaxPotentialBlockSizeWithFlags(
    int* grid_size, int* block_size, CUfunction function, CUoccupancyB2DSize shared_for,
    std::size_t dynamic_shared, int limit, unsigned int) try {
  if (grid_size == nullptr || block_size == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const auto [status, kernel] = kernel_for_occupancy(function);
  if (kernel == nullptr) return status;
  const Profile& profile = *kernel->module->context->device.profile;
  const int by_kernel = static_cast<int>(kernel->program->max_threads_per_block);
  int most = by_kernel == 0 ? kMaxThreadsPerBlock : by_kernel;
  if (limit > 0) most = std::min(most, limit);
  int best_threads = 0;
  *grid_size = 0;
  *block_size = 0;
  for (int warps = (most + kWarp - 1) / kWarp; warps > 0; --warps) {
    const int size = std::min(most, warps * kWarp);
    const std::size_t shared = shared_for == nullptr ? dynamic_shared : shared_for(size);
    const int blocks = blocks_per_multiprocessor(*kernel, size, shared);
    if (blocks * size <= best_threads) continue;
    best_threads = blocks * size;
    *block_size = size;
    *grid_size = blocks * profile.multiprocessors;
  }
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuOccupancyMaxPotentialBlockSize(int* grid_size, int* block_size,
                                                 CUfunction function,
                                                 CUoccupancyB2DSize shared_for,
                                                 std::size_t dynamic_shared, int limit) try {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(grid_size, block_size, function, shared_for,
                                                   dynamic_shared, limit, 0);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuOccupancyAvailableDynamicSMemPerBlock(std::size_t* bytes, CUfunction function,
                                                        int blocks, int block_size) try {
  if (bytes == nullptr || blocks <= 0 || block_size <= 0) return CUDA_ERROR_INVALID_VALUE;
  const auto [status, kernel] = kernel_for_occupancy(function);
  if (kernel == nullptr) return status;
  if (blocks_per_multiprocessor(*kernel, block_size, 0) < blocks) return CUDA_ERROR_INVALID_VALUE;
  const Profile& profile = *kernel->module->context->device.profile;
  const int share = profile.shared_per_multiprocessor / blocks - profile.reserved_shared();
  *bytes = static_cast<std::size_t>(std::min(share, profile.shared_per_block_optin)) -
           kernel->program->shared_bytes;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
