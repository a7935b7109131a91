// Which table of kernels runs here.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "cpu/kernels/kernels.h"

namespace fusebert::cpu {

// Forces an instruction set by the name of its table, for tests and for finding faults.
inline constexpr char kIsaVariable[] = "FUSEBERT_CPU_ISA";

// The tables that this processor and this operating system can run, best first. Never empty.
const std::vector<const Kernels*>& available_kernels();

// The best table, or the one that `forced` names; null or empty means no wish. kDeviceUnavailable
// when there is no such table or it cannot run here.
Result<const Kernels*> select_kernels(const char* forced);

// As above, with the wish from the environment.
Result<const Kernels*> select_kernels();

}  // namespace fusebert::cpu
