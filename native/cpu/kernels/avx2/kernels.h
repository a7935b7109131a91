// The table of AVX2 kernels. Only for processors that have them: see dispatch.h.
#pragma once

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::avx2 {

extern const Kernels kKernels;

}  // namespace fusebert::cpu::avx2
