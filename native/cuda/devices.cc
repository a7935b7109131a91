// Opening the device, and loading the first images that its driver takes.
#include "cuda/devices.h"

#include <utility>

#include "cuda/cuda_backend.h"
#include "cuda/driver/context.h"

namespace fusebert::cuda {
namespace {

Result<ContextPointer> open_context(int ordinal) {
  const auto api = Api::get();
  if (!api.ok()) return api.status();
  return Context::open(*api.value(), ordinal);
}

// Loads modules from images of one kind, which the first module settles: the kind given first, and
// another only where the driver refuses that one.
class ModuleLoader {
 public:
  ModuleLoader(ContextPointer context, const std::vector<DeviceImage>& images)
      : context_(std::move(context)), images_(images) {}

  Result<Module> load(const std::string& file) {
    Status refused(StatusCode::kDeviceUnavailable, "The addon has no kernels for this device.");
    for (const DeviceImage& image : images_) {
      if (image.file != file || (!kind_.empty() && image.kind != kind_)) continue;
      auto module = load_module(context_, image.bytes.c_str());
      if (module.ok()) {
        kind_ = image.kind;
        return module;
      }
      refused = module.status();
      if (kind_.empty()) refusals_ += "; " + image.kind + " refused: " + refused.message();
    }
    return refused;
  }

  // Which kind runs, and what was refused before.
  std::string reason() const { return "kernels from " + kind_ + refusals_; }

 private:
  ContextPointer context_;
  const std::vector<DeviceImage>& images_;
  std::string kind_;  // empty until one was loaded
  std::string refusals_;
};

}  // namespace

Result<CudaDevice> find_device(int ordinal) {
  const auto api = Api::get();
  if (!api.ok()) return api.status();
  const auto found = device_properties(*api.value(), ordinal);
  if (!found.ok()) return found.status();
  return CudaDevice{ordinal, found.value().name, found.value().architecture};
}

Result<SelectedBackend> load_on_cuda(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights) {
  const CudaRequest& request = *options.cuda;
  const auto context = open_context(request.ordinal);
  if (!context.ok()) return context.status();
  const CudaType type = request.type == "bf16" ? CudaType::kBf16 : CudaType::kFp16;
  ModuleLoader loader(context.value(), request.images);
  auto backend = load_cuda_backend(
      options, context.value(), type, [&](const std::string& file) { return loader.load(file); },
      geometry, weights);
  if (!backend.ok()) return backend.status();
  return SelectedBackend{std::move(backend.value()), loader.reason()};
}

}  // namespace fusebert::cuda
