// Looking at devices, opening one, and loading a model there.
#include "cuda/devices.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend_group.h"
#include "cuda/cuda_backend.h"
#include "cuda/driver/context.h"
#include "cuda/module_loader.h"

namespace fusebert::cuda {
namespace {

Result<ContextPointer> open_context(int ordinal) {
  const auto api = Api::get();
  if (!api.ok()) return api.status();
  return Context::open(*api.value(), ordinal);
}

Result<DeviceInfo> look_at(const Api& api, int ordinal) {
  const auto found = device_properties(api, ordinal);
  if (!found.ok()) return found.status();
  CUdevice device = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceGet(&device, ordinal));
  std::size_t bytes = 0;
  FUSEBERT_CUDA_CHECK(api, cuDeviceTotalMem(&bytes, device));
  DeviceInfo info;
  info.device = "cuda:" + std::to_string(ordinal);
  info.name = found.value().name;
  info.isa = "sm_" + std::to_string(found.value().architecture);
  info.memory_bytes = static_cast<int64_t>(bytes);
  return info;
}

Result<SelectedBackend> load_on_device(int ordinal, const BackendOptions& options,
                                       const Geometry& geometry, const WeightTable& weights) {
  const CudaRequest& request = *options.cuda;
  const auto context = open_context(ordinal);
  if (!context.ok()) return context.status();
  const CudaType type = request.type == "bf16" ? CudaType::kBf16 : CudaType::kFp16;
  ModuleLoader loader(context.value(), request);
  auto backend = load_cuda_backend(
      options, context.value(), type, [&](const std::string& file) { return loader.load(file); },
      geometry, weights);
  if (!backend.ok()) return backend.status();
  return SelectedBackend{std::move(backend.value()), loader.reason()};
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices;
  const auto api = Api::get();
  int count = 0;
  if (!api.ok() || api.value()->cuDeviceGetCount(&count) != CUDA_SUCCESS) return devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    auto info = look_at(*api.value(), ordinal);
    if (info.ok()) devices.push_back(std::move(info.value()));
  }
  return devices;
}

Result<CudaDevice> find_device(int ordinal) {
  const auto api = Api::get();
  if (!api.ok()) return api.status();
  const auto found = device_properties(*api.value(), ordinal);
  if (!found.ok()) return found.status();
  return CudaDevice{ordinal, found.value().name, found.value().architecture};
}

Result<SelectedBackend> load_on_cuda(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights) {
  std::vector<std::unique_ptr<Backend>> members;
  std::string reason;
  for (const int ordinal : options.cuda->ordinals) {
    auto member = load_on_device(ordinal, options, geometry, weights);
    if (!member.ok()) return member.status();
    members.push_back(std::move(member.value().backend));
    reason = std::move(member.value().reason);  // images are the same for all
  }
  return SelectedBackend{group_backends(std::move(members)), std::move(reason)};
}

}  // namespace fusebert::cuda
