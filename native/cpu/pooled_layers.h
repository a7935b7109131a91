// Layers after the pooling, on the CPU's kernels.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"

namespace fusebert::cpu {

// kDeviceUnavailable as load_cpu_backend; kTensorValue for weights that are not finite.
Result<std::unique_ptr<PooledLayers>> load_pooled_layers(
    const BackendOptions& options, const std::vector<PooledLayerSpec>& layers,
    const WeightTable& weights);

}  // namespace fusebert::cpu
