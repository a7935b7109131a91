// What JavaScript needs to run a model on a CUDA device: the device, and images for it.
#pragma once

#include <napi.h>

#include "backend/backend.h"
#include "core/status.h"

namespace fusebert::node {

// findCudaDevice(ordinal): Promise<NativeCudaDevice>
Napi::Value find_cuda_device(const Napi::CallbackInfo& info);
// cudaImages(): NativeCudaImage[]
Napi::Value list_cuda_images(const Napi::CallbackInfo& info);
// cudaImage(index): Uint8Array
Napi::Value read_cuda_image(const Napi::CallbackInfo& info);

// NativeCudaSpec
Result<CudaRequest> to_cuda_request(const Napi::Value& value);

}  // namespace fusebert::node
