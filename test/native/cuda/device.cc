// Opening the tests' device, and finding the images that were built.
#include "cuda/device.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cuda/kernels/common/images.h"

namespace fusebert::cuda::testing {
namespace {

constexpr char kWrong[] = "wrong_";  // begins the names of their files

std::string setting(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : value;
}

template <class T>
T require(Result<T> result) {
  if (!result.ok()) {
    std::cerr << result.status().message() << '\n';
    std::exit(1);
  }
  return std::move(result.value());
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "Expected an image at " << path << '\n';
    std::exit(1);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

}  // namespace

Device& Device::get() {
  // Not destroyed at the end: the driver may be gone when static objects go.
  static Device* device = nullptr;
  if (device != nullptr && device->context_->lost()) {
    delete device;
    device = nullptr;
  }
  if (device == nullptr) device = new Device();
  return *device;
}

Device::Device()
    : context_(require(Context::open(*require(Api::get()), 0))),
      stream_(require(create_stream(context_))) {}

std::string Device::image(const std::string& kernel, const std::string& type) const {
  // The virtual GPU takes PTX alone, and kernels that are wrong on purpose have nothing else.
  const bool wrong = kernel.rfind(kWrong, 0) == 0;
  return read_file(setting("FUSEBERT_TEST_IMAGES", FUSEBERT_CUDA_IMAGES) + '/' + kernel + '.' +
                   type + ".sm_" + std::to_string(image_architecture(architecture())) + '.' +
                   (wrong ? "ptx" : setting("FUSEBERT_CUDA_IMAGE", "ptx")));
}

const Module& Device::module(const std::string& kernel, const std::string& type) {
  const std::string name = kernel + '.' + type;
  const auto found = modules_.find(name);
  if (found != modules_.end()) return found->second;
  return modules_.emplace(name, require(load_module(context_, image(kernel, type).c_str())))
      .first->second;
}

void Device::synchronize() {
  const Status status =
      stream_.api().check(stream_.api().cuStreamSynchronize(stream_.get()), "cuStreamSynchronize");
  EXPECT_TRUE(status.ok()) << status.message();
}

}  // namespace fusebert::cuda::testing
