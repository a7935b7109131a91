// Which backend runs a model, and why.
#include "backend/backend.h"
#include "cpu/cpu_backend.h"

namespace fusebert {

Result<std::vector<DeviceInfo>> list_devices() {
  auto cpu = cpu::cpu_info();
  if (!cpu.ok()) return cpu.status();
  return std::vector<DeviceInfo>{std::move(cpu.value())};
}

Result<SelectedBackend> load_backend(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights) {
  if (options.device != "auto" && options.device != "cpu") {
    return Status(StatusCode::kDeviceUnavailable,
                  "Expected 'auto' or 'cpu' for device: this build of fusebert has no other.");
  }
  FUSEBERT_RETURN_IF_ERROR(validate(geometry));
  for (const TensorRequirement& tensor : required_tensors(geometry)) {
    FUSEBERT_RETURN_IF_ERROR(weights.require(tensor.name, tensor.shape));
  }
  auto backend = cpu::load_cpu_backend(options, geometry, weights);
  if (!backend.ok()) return backend.status();
  // Only now is it known that what was copied is what the file's header described.
  FUSEBERT_RETURN_IF_ERROR(weights.check_unchanged());
  const std::string reason = options.device == "cpu"
                                 ? "asked for"
                                 : "this build of fusebert has no GPU backend";
  return SelectedBackend{std::move(backend.value()), reason};
}

}  // namespace fusebert
