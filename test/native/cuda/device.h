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

// A result on the device. Every byte of it and of the guards on both sides begins as kUnwritten,
// which makes a NaN of each type.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t count)
      : count_(count), array_(unwritten(count + 2 * kGuard)) {}

  T* data() const { return array_.data() + kGuard; }
  // What lies between the guards. Fails the test where a guard was written.
  std::vector<T> download() const {
    const std::vector<T> all = array_.download();
    const std::vector<T> guard = unwritten(kGuard);
    constexpr std::size_t kGuardBytes = kGuard * sizeof(T);
    EXPECT_EQ(std::memcmp(all.data(), guard.data(), kGuardBytes), 0) << "before the result";
    EXPECT_EQ(std::memcmp(all.data() + kGuard + count_, guard.data(), kGuardBytes), 0)
        << "behind the result";
    return std::vector<T>(all.begin() + kGuard, all.end() - kGuard);
  }
  static std::vector<T> unwritten(std::size_t count) {
    constexpr unsigned char kUnwritten = 0xFF;
    std::vector<T> values(count);
    std::memset(values.data(), kUnwritten, count * sizeof(T));
    return values;
  }

 private:
  static constexpr std::size_t kGuard = 128;  // elements; keeps the result aligned to 16 bytes

  std::size_t count_;
  Array<T> array_;
};

}  // namespace fusebert::cuda::testing
