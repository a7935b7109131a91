// The table of scalar kernels, which run on every processor.
#pragma once

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::scalar {

extern const Kernels kKernels;

}  // namespace fusebert::cpu::scalar
