// A device's primary context and what lives in it: memory, streams, events, modules. Each object
// keeps the context alive, and gives back what it holds when it goes.
//
// The driver works on the calling thread's current context: a thread calls Context::use() once
// before it uses the objects, except that their destructors do so themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/status.h"
#include "cuda/driver/api.h"

namespace fusebert::cuda {

// What is known of a device without starting it.
struct DeviceProperties {
  int ordinal = 0;
  std::string name;         // by its maker
  int architecture = 0;     // 80 for compute capability 8.0
  int multiprocessors = 0;
};

// kDeviceUnavailable when there is no such device. `ordinal` counts from 0.
Result<DeviceProperties> device_properties(const Api& api, int ordinal);

class Context {
 public:
  // kDeviceUnavailable when there is no such device. `ordinal` counts from 0.
  static Result<std::shared_ptr<const Context>> open(const Api& api, int ordinal);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Status use() const { return api_.check(api_.cuCtxSetCurrent(context_), "cuCtxSetCurrent"); }

  const Api& api() const { return api_; }
  int ordinal() const { return properties_.ordinal; }
  const std::string& name() const { return properties_.name; }
  int architecture() const { return properties_.architecture; }
  int multiprocessors() const { return properties_.multiprocessors; }

 private:
  Context(const Api& api, CUdevice device, DeviceProperties properties)
      : api_(api), device_(device), properties_(std::move(properties)) {}

  const Api& api_;
  CUdevice device_;
  CUcontext context_ = nullptr;
  DeviceProperties properties_;
};

using ContextPointer = std::shared_ptr<const Context>;

// A handle of the driver with the context that it belongs to; `kRelease` gives it back.
template <class Handle, auto kRelease>
class Owned {
 public:
  Owned() = default;
  Owned(ContextPointer context, Handle handle)
      : context_(std::move(context)), handle_(handle) {}
  Owned(Owned&& other) noexcept
      : context_(std::move(other.context_)), handle_(std::exchange(other.handle_, Handle())) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    // Nothing can be done about a failure: the context is lost, and with it the resource.
    if (handle_ != Handle() && context_->use().ok()) (context_->api().*kRelease)(handle_);
  }

  Handle get() const { return handle_; }
  const Api& api() const { return context_->api(); }

 private:
  ContextPointer context_;
  Handle handle_ = Handle();
};

using Stream = Owned<CUstream, &Api::cuStreamDestroy>;
using Event = Owned<CUevent, &Api::cuEventDestroy>;
using Module = Owned<CUmodule, &Api::cuModuleUnload>;
using DeviceMemory = Owned<CUdeviceptr, &Api::cuMemFree>;
using PinnedMemory = Owned<void*, &Api::cuMemFreeHost>;

// A stream that does not wait for the legacy default stream.
Result<Stream> create_stream(const ContextPointer& context);
Result<Event> create_event(const ContextPointer& context);
// Not initialised. kOutOfMemory says how much was asked for and how much is free.
Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes);
Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes);
// `image`: a cubin, or PTX text that ends with a zero.
Result<Module> load_module(const ContextPointer& context, const void* image);

}  // namespace fusebert::cuda
