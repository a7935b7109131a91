// What stands in for the CUDA backend in a build without it. CMake says why there is none.
#include "cuda/devices.h"

namespace fusebert::cuda {
namespace {

Status absent() {
  return Status(StatusCode::kDeviceUnavailable,
                "This build of fusebert has no CUDA: " FUSEBERT_NO_CUDA ".");
}

}  // namespace

std::vector<DeviceInfo> list_devices() { return {}; }

Result<CudaDevice> find_device(int) { return absent(); }

Result<SelectedBackend> load_on_cuda(const BackendOptions&, const Geometry&, const WeightTable&) {
  return absent();
}

}  // namespace fusebert::cuda
