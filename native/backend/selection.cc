// Which backend runs a model, and why.
#include <utility>

#include "backend/backend.h"
#include "cpu/cpu_backend.h"
#include "cpu/pooled_layers.h"
#include "cuda/devices.h"

namespace fusebert {
namespace {

Result<SelectedBackend> load_on_cpu(const BackendOptions& options, const Geometry& geometry,
                                    const WeightTable& weights, std::string reason) {
  auto backend = cpu::load_cpu_backend(options, geometry, weights);
  if (!backend.ok()) return backend.status();
  return SelectedBackend{std::move(backend.value()), std::move(reason)};
}

// What keeps a model from a GPU but not from a CPU. A weight may be too large for fp16 alone; where
// it is wrong for every type, the CPU says so.
bool may_fall_back(const Status& status) {
  switch (status.code()) {
    case StatusCode::kConfig:
    case StatusCode::kTensorValue:
    case StatusCode::kDeviceUnavailable:
    case StatusCode::kDeviceFailed:
    case StatusCode::kOutOfMemory: return true;
    default: return false;
  }
}

Result<SelectedBackend> load_anywhere(const BackendOptions& options, const Geometry& geometry,
                                      const WeightTable& weights) {
  const bool asked = options.device != "auto";
  if (options.device == "cpu") return load_on_cpu(options, geometry, weights, "asked for");
  std::string why_not = options.no_cuda_reason;
  if (options.cuda.has_value()) {
    auto selected = cuda::load_on_cuda(options, geometry, weights);
    if (selected.ok()) {
      const std::string chosen = asked ? "asked for; " : "a CUDA device is there; ";
      selected.value().reason = chosen + selected.value().reason;
      return selected;
    }
    if (asked || !may_fall_back(selected.status())) return selected.status();
    why_not = selected.status().message();
  } else if (asked) {
    return Status(StatusCode::kDeviceUnavailable,
                  "Expected a CUDA device for device '" + options.device + "' but received none.");
  }
  return load_on_cpu(options, geometry, weights, "CUDA is not used: " + why_not);
}

}  // namespace

Result<std::vector<DeviceInfo>> list_devices() {
  auto cpu = cpu::cpu_info();
  if (!cpu.ok()) return cpu.status();
  std::vector<DeviceInfo> devices = cuda::list_devices();
  devices.push_back(std::move(cpu.value()));
  return devices;
}

Result<CudaDevice> find_cuda_device(int ordinal) {
  return cuda::find_device(ordinal);
}

Result<std::unique_ptr<PooledLayers>> load_pooled_layers(
    const BackendOptions& options, const std::vector<PooledLayerSpec>& layers,
    const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(validate(options));
  FUSEBERT_RETURN_IF_ERROR(validate(layers));
  for (const TensorRequirement& tensor : required_tensors(layers)) {
    FUSEBERT_RETURN_IF_ERROR(weights.require(tensor.name, tensor.shape));
  }
  auto loaded = cpu::load_pooled_layers(options, layers, weights);
  if (!loaded.ok()) return loaded.status();
  FUSEBERT_RETURN_IF_ERROR(weights.check_unchanged());
  return loaded;
}

Result<SelectedBackend> load_backend(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(validate(geometry));
  for (const TensorRequirement& tensor : required_tensors(geometry)) {
    FUSEBERT_RETURN_IF_ERROR(weights.require(tensor.name, tensor.shape));
  }
  auto selected = load_anywhere(options, geometry, weights);
  if (!selected.ok()) return selected.status();
  // Only now is it known that what was copied is what the file's header described.
  FUSEBERT_RETURN_IF_ERROR(weights.check_unchanged());
  return selected;
}

}  // namespace fusebert
