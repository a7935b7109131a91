// ldmatrix: 8x8 matrices of 16-bit numbers from shared memory into a warp's registers.
#pragma once

#include <cstdint>

namespace fusebert::cuda::ptx {

// Lanes 8i to 8i+7 give the rows of matrix i, 16 bytes each; in matrix i lane l receives row l / 4,
// columns 2 (l mod 4) and the next.
__device__ inline void ldmatrix_x4(std::uint32_t (&matrices)[4], std::uint32_t row_address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(row_address)
               : "memory");
}

// The same, each matrix transposed.
__device__ inline void ldmatrix_x4_trans(std::uint32_t (&matrices)[4], std::uint32_t row_address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(row_address)
               : "memory");
}

}  // namespace fusebert::cuda::ptx
