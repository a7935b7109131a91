// Launches, checked and run.
#pragma once

#include <cuda.h>

#include "driver/graph.h"
#include "driver/state.h"

namespace virtual_gpu {

/// The error that a launch of this shape returns at once, or none.
CUresult check_launch(const KernelLaunch& launch);

/// The parameter block, from an array of pointers or from the launch's "extra".
CUresult gather_parameters(const Program& program, void** parameters, void** extra,
                           std::vector<std::byte>& block);

/// Runs the kernel to its end on the calling thread; faults become the context's.
void run_launch(Context& context, const KernelLaunch& launch);

/// Blocks of this kernel that a multiprocessor holds at once; what limits them is the least of
/// threads, blocks, registers and shared memory.
int blocks_per_multiprocessor(const Kernel& kernel, int threads, std::size_t dynamic_shared);

}  // namespace virtual_gpu
