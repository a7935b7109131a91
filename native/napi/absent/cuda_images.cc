// What stands in for the images of CUDA kernels in an addon that was built without CUDA.
#include "napi/cuda_images.h"

namespace fusebert::node {

std::span<const CudaImage> cuda_images() { return {}; }
const unsigned char* cuda_image_bytes() { return nullptr; }

}  // namespace fusebert::node
