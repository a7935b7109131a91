// The table of NEON kernels. Only for processors that have them: see dispatch.h.
#pragma once

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::neon {

extern const Kernels kKernels;

}  // namespace fusebert::cpu::neon
