// What the processor calls itself.
#pragma once

#include <string>

namespace fusebert::cpu {

// CPUID's brand string, as in "AMD EPYC 9R14", without its padding; where there
// is no CPUID, "model name" of /proc/cpuinfo; otherwise "CPU".
std::string processor_name();

}  // namespace fusebert::cpu
