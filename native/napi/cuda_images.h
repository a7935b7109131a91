// The images of CUDA kernels inside the addon, compressed with Brotli: scripts/pack-images.mjs
// writes the table and its bytes when the addon is built with CUDA.
#pragma once

#include <cstddef>
#include <span>

namespace fusebert::node {

struct CudaImage {
  const char* file;  // of kernels: "gemm"
  const char* type;  // "fp16" or "bf16"
  int architecture;  // 80 for compute capability 8.0
  const char* kind;  // "cubin" or "ptx"
  std::size_t offset, size;  // in cuda_image_bytes()
};

std::span<const CudaImage> cuda_images();
const unsigned char* cuda_image_bytes();

}  // namespace fusebert::node
