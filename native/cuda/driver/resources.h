// What lives in a context: memory, streams, events, modules, graphs. Each object keeps its context
// alive, and gives back what it holds when it goes, on whatever thread.
//
// Making them needs a ContextScope; using them too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/status.h"
#include "cuda/driver/api.h"
#include "cuda/driver/context.h"
#include "cuda/driver/memory_budget.h"

namespace fusebert::cuda {

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
    // What is in a lost context goes with it.
    if (context_ == nullptr || handle_ == Handle() || context_->lost()) return;
    const ContextScope scope(*context_);
    if (scope.ok()) (context_->api().*kRelease)(handle_);
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
using PinnedMemory = Owned<void*, &Api::cuMemFreeHost>;

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(MemoryBudget::Share share, ContextPointer context, CUdeviceptr address)
      : share_(std::move(share)), memory_(std::move(context), address) {}

  CUdeviceptr get() const { return memory_.get(); }

 private:
  MemoryBudget::Share share_;
  Owned<CUdeviceptr, &Api::cuMemFree> memory_;
};

// A stream that does not wait for the legacy default stream.
Result<Stream> create_stream(const ContextPointer& context);
// For order and for wait_for(); it measures no time.
Result<Event> create_event(const ContextPointer& context);
// Not initialised. kOutOfMemory says how much was asked for and how much is free, or what the
// budget says.
Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes,
                                     const BudgetPointer& budget = nullptr);
Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes);
// `image`: a cubin, or PTX text that ends with a zero.
Result<Module> load_module(const ContextPointer& context, const void* image);

// What is queued on `to` from now on waits for what is on `from` by now; `event` is recorded.
Status order(const Event& event, const Stream& from, const Stream& to);
// Waits until the work before the event's last record is done: awake for as long as a short
// sentence takes, asleep from then on.
Status wait_for(const Event& event);

}  // namespace fusebert::cuda
