// Finding a CUDA device, and running a model on it.
#pragma once

#include "backend/backend.h"

namespace fusebert::cuda {

// As fusebert::find_cuda_device.
Result<CudaDevice> find_device(int ordinal);

// Loads a model onto the device that the options' `cuda` names. `reason` says which images run.
Result<SelectedBackend> load_on_cuda(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights);

}  // namespace fusebert::cuda
