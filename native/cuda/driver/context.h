// A CUDA context of our own on a device, shared by all models there, so that what we do to it
// and what befalls it is nobody else's. An error that poisons it ends it: it is lost, and the next
// one to open the device gets another.
//
// The driver works on the calling thread's current context, which may be somebody else's: a
// ContextScope makes ours current and puts the other back.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
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
  // The device's context of this process, or a new one when there is none or it is lost: a lost one
  // is ended first, as the driver makes no other beside it. kDeviceUnavailable when there is no
  // such device. `ordinal` counts from 0. The caller may not be in a lost context's scope.
  static Result<std::shared_ptr<const Context>> open(const Api& api, int ordinal);
  // Frees what is left in it.
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // ok, or the error by which the context was lost, for whoever asks and as often.
  Status state() const;
  bool lost() const { return lost_.load(); }
  // Given the failure of a driver call, finds out whether the context is lost by it. Returns what
  // is to be told: the failure, or the one by which the context was lost before. In a ContextScope,
  // with no work under way in the caller's streams.
  Status examine(const Status& failure) const;

  const Api& api() const { return api_; }
  int ordinal() const { return properties_.ordinal; }
  const std::string& name() const { return properties_.name; }
  int architecture() const { return properties_.architecture; }
  int multiprocessors() const { return properties_.multiprocessors; }

 private:
  friend class ContextScope;

  Context(const Api& api, CUdevice device, DeviceProperties properties)
      : api_(api), device_(device), properties_(std::move(properties)) {}
  Status create();
  Status end_lost() const;

  const Api& api_;
  CUdevice device_;
  mutable CUcontext context_ = nullptr;  // null once ended
  DeviceProperties properties_;
  mutable std::atomic<int> scopes_{0};   // of all threads
  mutable std::atomic<bool> lost_{false};
  mutable std::mutex mutex_;
  mutable Status loss_;  // guarded by mutex_
};

using ContextPointer = std::shared_ptr<const Context>;

// While it lives, the context is the calling thread's current one. None is entered once it is lost.
class ContextScope {
 public:
  explicit ContextScope(const Context& context) : context_(context) {
    context_.scopes_.fetch_add(1);
    if (!context_.lost()) result_ = context_.api_.cuCtxPushCurrent(context_.context_);
  }
  ~ContextScope() {
    CUcontext popped = nullptr;
    if (ok()) context_.api_.cuCtxPopCurrent(&popped);
    context_.scopes_.fetch_sub(1);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

  bool ok() const { return result_ == CUDA_SUCCESS; }
  Status status() const {
    const Status lost = context_.state();
    return ok() || lost.ok() ? context_.api_.check(result_, "cuCtxPushCurrent") : lost;
  }

 private:
  const Context& context_;
  CUresult result_ = CUDA_ERROR_CONTEXT_IS_DESTROYED;
};

}  // namespace fusebert::cuda
