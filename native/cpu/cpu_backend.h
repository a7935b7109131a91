// The CPU backend: an fp32 BERT encoder over packed tokens, with kernels chosen at run time for the
// processor's instruction set.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace fusebert::cpu {

// Loads the weights into the chosen kernels' layout. kDeviceUnavailable when FUSEBERT_CPU_ISA names
// an instruction set that this processor, or this build, does not have.
Result<std::unique_ptr<Backend>> load_cpu_backend(const BackendOptions& options,
                                                  const Geometry& geometry,
                                                  const WeightTable& weights);

// This processor. Fails as load_cpu_backend does.
Result<DeviceInfo> cpu_info();

}  // namespace fusebert::cpu
