// Trying images in turn, and telling refusals of an image from other errors.
#include "cuda/module_loader.h"

#include <cstddef>

namespace fusebert::cuda {
namespace {

// Errors that are about the image: another one may do.
bool refuses_image(CUresult result) {
  switch (result) {
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_JIT_COMPILATION_DISABLED: return true;
    default: return false;
  }
}

// "cubin sm_90"
std::string name_of(const DeviceImage& image) {
  return image.kind + " sm_" + std::to_string(image.architecture);
}

Status failure(const Context& context, CUresult result) {
  if (result != CUDA_ERROR_OUT_OF_MEMORY) return context.api().check(result, "cuModuleLoadData");
  std::size_t free = 0, total = 0;
  context.api().cuMemGetInfo(&free, &total);
  return Status(StatusCode::kOutOfMemory, "Expected memory for kernels on " + context.name() +
                                              " but " + size_text(free) + " of " +
                                              size_text(total) + " are free.");
}

}  // namespace

Result<Module> ModuleLoader::load(const std::string& file) {
  for (const DeviceImage& image : request_.images) {
    const std::string name = name_of(image);
    if (image.file != file || (!taken_.empty() && name != taken_)) continue;
    CUmodule module = nullptr;
    const CUresult result = context_->api().cuModuleLoadData(&module, image.bytes.c_str());
    if (result == CUDA_SUCCESS) {
      taken_ = name;
      return Module(context_, module);
    }
    if (!refuses_image(result)) return failure(*context_, result);
    if (!refusals_.empty()) refusals_ += "; ";
    refusals_ += name + ": " + context_->api().words(result);
  }
  return none_taken();
}

Status ModuleLoader::none_taken() const {
  std::string message = "Expected kernels that the driver of " + context_->name() + " takes but ";
  message += refusals_.empty() ? "the addon has none for it" : "it refused " + refusals_;
  if (!request_.images_limited_by.empty()) {
    message += ". No others were tried because of " + request_.images_limited_by;
  }
  return Status(StatusCode::kDeviceUnavailable, message + ".");
}

std::string ModuleLoader::reason() const {
  return "kernels from " + taken_ + (refusals_.empty() ? "" : "; refused " + refusals_);
}

}  // namespace fusebert::cuda
