// The CUDA backend: a BERT encoder in fp16 or bf16 over packed tokens, on one NVIDIA GPU.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/kernel_set.h"

namespace fusebert::cuda {

enum class CudaType { kFp16, kBf16 };

// Loads kernels and weights onto the context's device. `modules` must be of `type`. kConfig when no
// kernel can run the geometry, kOutOfMemory.
Result<std::unique_ptr<Backend>> load_cuda_backend(const BackendOptions& options,
                                                   const ContextPointer& context, CudaType type,
                                                   const ModuleSource& modules,
                                                   const Geometry& geometry,
                                                   const WeightTable& weights);

}  // namespace fusebert::cuda
