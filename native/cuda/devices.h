// Finding CUDA devices, and running a model on one.
#pragma once

#include <vector>

#include "backend/backend.h"

namespace fusebert::cuda {

// Those that the driver knows, in its order; none when there is no driver or it cannot be used.
std::vector<DeviceInfo> list_devices();

// As fusebert::find_cuda_device.
Result<CudaDevice> find_device(int ordinal);

// Loads a model onto the device that the options' `cuda` names. `reason` says which images run.
Result<SelectedBackend> load_on_cuda(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights);

}  // namespace fusebert::cuda
