// A CUDA device for tests: the one of FUSEBERT_CUDA_DRIVER, usually the virtual GPU, with kernels
// from the build's folder, and arrays that live on it. FUSEBERT_TEST_IMAGES names another folder,
// FUSEBERT_CUDA_IMAGE the kind of image: ptx, the default, or cubin.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "cuda/driver/resources.h"

namespace fusebert::cuda::testing {

class Device {
 public:
  // One for the whole process, or a new one once a test has lost its context. Fails the test
  // program where there is none.
  static Device& get();

  const ContextPointer& context() const { return context_; }
  const Stream& stream() const { return stream_; }
  int architecture() const { return context_->architecture(); }
  bool has_bf16() const { return architecture() >= 80; }
  // The image of a kernel's file for a type: of those for older or equal architectures the newest.
  std::string image(const std::string& kernel, const std::string& type = "fp16") const;
  // The same, loaded.
  const Module& module(const std::string& kernel, const std::string& type = "fp16");
  void synchronize();

 private:
  Device();

  ContextPointer context_;
  ContextScope scope_{*context_};
  Stream stream_;
  std::map<std::string, Module> modules_;
};

// An array in device memory.
template <class T>
class Array {
 public:
  // Not initialised: reading what no kernel has written is an error on the virtual GPU.
  explicit Array(std::size_t count) : count_(count) {
    auto memory = allocate_device(Device::get().context(), std::max<std::size_t>(1, bytes()));
    if (!memory.ok()) ADD_FAILURE() << memory.status().message();
    else memory_ = std::move(memory.value());
  }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    const auto& stream = Device::get().stream();
    const CUresult result = stream.api().cuMemcpyHtoDAsync(memory_.get(), values.data(), bytes(),
                                                           stream.get());
    EXPECT_EQ(result, CUDA_SUCCESS);
    Device::get().synchronize();  // `values` may go
  }

  std::vector<T> download() const {
    std::vector<T> values(count_);
    const auto& stream = Device::get().stream();
    const CUresult result = stream.api().cuMemcpyDtoHAsync(values.data(), memory_.get(), bytes(),
                                                           stream.get());
    EXPECT_EQ(result, CUDA_SUCCESS);
    Device::get().synchronize();
    return values;
  }

  template <class Pointer = T>
  Pointer* data() const {
    return reinterpret_cast<Pointer*>(memory_.get());
  }
  std::size_t size() const { return count_; }

 private:
  std::size_t bytes() const { return count_ * sizeof(T); }

  std::size_t count_;
  DeviceMemory memory_;
};

}  // namespace fusebert::cuda::testing
