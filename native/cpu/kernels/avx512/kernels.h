// The table of AVX-512 kernels. Only for processors that have them: see dispatch.h.
#pragma once

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::avx512 {

extern const Kernels kKernels;

}  // namespace fusebert::cpu::avx512
