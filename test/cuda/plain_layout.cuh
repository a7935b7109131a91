// Compiled before a kernel's file (nvcc -include), it takes the swizzle away: the same kernel with
// chunks where their rows and columns say, which counters.test.ts has to find.
#pragma once

#include "cuda/kernels/common/swizzle.cuh"

namespace fusebert::cuda {

struct Plain {
  template <int kChunks>
  __device__ static int position(int row, int chunk) {
    return row * kChunks + chunk;
  }
  __device__ static std::uint32_t after(std::uint32_t address, int chunks) {
    return address + static_cast<std::uint32_t>(16 * chunks);
  }
};

}  // namespace fusebert::cuda

#define Swizzled Plain
