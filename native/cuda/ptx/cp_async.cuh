// cp.async: from global to shared memory past the registers. sm_80 and newer.
#pragma once

#include <cstdint>

namespace fusebert::cuda::ptx {

// Begins to copy 16 bytes, or to write 16 zeros; then nothing is read.
__device__ inline void cp_async_16(std::uint32_t shared, const void* global, bool zeros) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared), "l"(__cvta_generic_to_global(global)), "r"(zeros ? 0 : 16)
               : "memory");
}

// Closes the group of this thread's copies that were begun since the last.
__device__ inline void cp_async_commit_group() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most kPending of this thread's newest groups are not done.
template <int kPending>
__device__ inline void cp_async_wait_group() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kPending) : "memory");
}

}  // namespace fusebert::cuda::ptx
