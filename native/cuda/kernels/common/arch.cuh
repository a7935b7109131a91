// What differs between generations of GPUs, as types that kernels take as a parameter; the one
// place that asks which generation is being compiled for.
#pragma once

#include <cstdint>

#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/mma.cuh"

namespace fusebert::cuda {

struct Turing {
  // Blocks of 48 KiB that a multiprocessor's shared memory has room for.
  static constexpr int kBlocksOf48KiB = 1;

  // Which of two ways memory is copied.
  template <class Asynchronous, class ThroughRegisters>
  using Pipeline = ThroughRegisters;

  // Copies 16 bytes, or writes zeros, to be there at the latest after wait() and a barrier.
  __device__ static void copy_16(uint4* shared, const uint4* global, bool zeros) {
    *shared = zeros ? uint4{0, 0, 0, 0} : __ldg(global);
  }
  // Ends a group of copies; wait() lets at most kPending groups be on their way.
  __device__ static void commit() {}
  template <int kPending>
  __device__ static void wait() {}

  // c [16, 8] += a [16, 16] · b [16, 8]; the fragments of ptx/mma.cuh.
  template <class T>
  __device__ static void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                  std::uint32_t b1) {
    ptx::mma_m16n8k8(c, a[0], a[1], b0);
    ptx::mma_m16n8k8(c, a[2], a[3], b1);
  }
};

struct Ampere {
  static constexpr int kBlocksOf48KiB = 2;

  template <class Asynchronous, class ThroughRegisters>
  using Pipeline = Asynchronous;

  __device__ static void copy_16(uint4* shared, const uint4* global, bool zeros) {
    ptx::cp_async_16(static_cast<std::uint32_t>(__cvta_generic_to_shared(shared)), global, zeros);
  }
  __device__ static void commit() { ptx::cp_async_commit_group(); }
  template <int kPending>
  __device__ static void wait() {
    ptx::cp_async_wait_group<kPending>();
  }

  template <class T>
  __device__ static void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                  std::uint32_t b1) {
    ptx::mma_m16n8k16<T>(c, a, b0, b1);
  }
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
using Arch = Turing;
#else
using Arch = Ampere;
#endif

// Of the image that is being compiled; 80 is sm_80.
#ifdef __CUDA_ARCH__
inline constexpr int kImageArchitecture = __CUDA_ARCH__ / 10;
#else
inline constexpr int kImageArchitecture = 80;
#endif

}  // namespace fusebert::cuda
