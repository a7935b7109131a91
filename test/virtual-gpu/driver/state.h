// All that the driver knows: its devices, their contexts, and what lives in these.
#pragma once

#include <cuda.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "driver/graph.h"
#include "driver/handles.h"
#include "driver/memory_pool.h"
#include "driver/module.h"
#include "driver/profile.h"
#include "driver/stream.h"
#include "machine/memory.h"

namespace virtual_gpu {

struct Device;

/// The end of a stream whose handle is gone: its operations still run.
struct RetiredStream {
  Ticket end;
  bool blocking = true;
};

/// What a CUcontext points to: a device's primary context, or one that an application made.
struct Context {
  explicit Context(Device& device);

  Device& device;
  std::atomic<CUresult> sticky = CUDA_SUCCESS;  // the first fault; every later call returns it
  std::mutex mutex;
  Stream legacy;                                // stream 0: in order with all blocking streams
  Handles<Stream> streams;
  std::vector<RetiredStream> retired;
  Handles<Event> events;
  Handles<Module> modules;
  Handles<Graph> graphs;
  Handles<GraphExec> executables;
  std::uint64_t allocations = 0;                // so far, for labels
  std::atomic<bool> ended = false;              // released by all; its handle is still known
  std::set<std::uint64_t> device_memory;        // allocated in it and not freed; under the mutex

  /// Waits for all work, and ends the life of what the context owns.
  void end();

  /// Lets the stream do the work in its turn, or adds it to the graph that the stream is being
  /// captured into.
  CUresult submit(Stream& stream, Work work);
  /// Adds an operation to a stream, in order with stream 0 as the flags demand. An exception of it
  /// becomes the context's error.
  std::uint64_t add(Stream& stream, StreamQueue::Operation operation);
  /// A call that no graph can hold: if the stream is being captured, that becomes invalid. So does
  /// the capture of a blocking stream by a call for stream 0.
  CUresult refuse_if_captured(Stream& stream);
  /// A call that is unsafe while some stream is being captured, such as an allocation: refused,
  /// with the captures invalid, as their modes and the thread's demand (cuStreamBeginCapture,
  /// cuThreadExchangeStreamCaptureMode).
  CUresult refuse_unsafe();
  /// Waits for all streams; the sticky error, if any.
  CUresult synchronize();
  /// Keeps the end of a stream that is about to be destroyed. Under the mutex.
  void retire(const Stream& stream);
  /// Remembers the first fault and tells it on the standard error.
  void fail(CUresult status, const std::string& report);

 private:
  CUresult capture_work(Stream& stream, Work work);
  CUresult refuse_legacy();
  void forget_done();
};

struct Device {
  int ordinal = 0;
  const Profile* profile = nullptr;
  std::unique_ptr<Memory> memory;
  std::unique_ptr<Context> primary;
  int references = 0;                                // to the primary context
  std::vector<std::unique_ptr<Context>> own;         // that applications made
  std::vector<std::unique_ptr<Context>> ended;       // for threads that still name them
  std::atomic<bool> lost = false;                    // by an injected fault
  std::mutex mutex;                // of all above
  std::shared_ptr<MemoryPool> default_pool;
  std::shared_ptr<MemoryPool> pool;                  // that cuMemAllocAsync takes from
  std::set<std::shared_ptr<MemoryPool>> pools;       // that applications made
  std::mutex pools_mutex;          // of the pools; streams take it while a context ends
  std::mutex execution;            // a launch has the host's threads to itself

  /// Ends a context that an application made, and with it its device memory; false for others.
  bool end_own(const Context* context);
  /// Ends the primary context, and with it what was allocated in it. Under the mutex.
  void end_primary();
};

/// How the environment wants the machine: VIRTUAL_GPU_SEED, …_THREADS, …_PROFILE, …_COUNT and
/// …_MAX_INSTRUCTIONS, of a host thread in a launch.
struct Settings {
  std::uint64_t seed = 1;
  std::uint64_t max_instructions = 0;
  std::uint32_t host_threads = 2;
  std::string profile = "sm_80";
  int count = 1;
};

class Driver {
 public:
  static Driver& instance();

  CUresult initialize(unsigned flags);
  bool initialized() const { return initialized_; }
  const Settings& settings() const { return settings_; }
  void set_seed(std::uint64_t seed) { settings_.seed = seed; }
  int device_count() const { return static_cast<int>(devices_.size()); }
  Device* device(int ordinal);

 private:
  std::atomic<bool> initialized_ = false;
  std::mutex mutex_;
  Settings settings_;
  std::vector<std::unique_ptr<Device>> devices_;
};

}  // namespace virtual_gpu

/// Another VIRTUAL_GPU_SEED for the launches from now on; none may be under way.
extern "C" __attribute__((visibility("default"))) void virtual_gpu_set_seed(
    unsigned long long seed);

namespace virtual_gpu {

/// A device by its number, or the error that calls with the number return.
struct FoundDevice {
  CUresult status = CUDA_SUCCESS;
  Device* device = nullptr;
};
FoundDevice find_device(CUdevice ordinal);

/// The calling thread's stack of contexts.
std::vector<Context*>& context_stack();

/// The calling thread's mode of capture, see Context::refuse_unsafe.
CUstreamCaptureMode& capture_mode();

/// The current context, or the error that calls without one return.
struct Current {
  CUresult status = CUDA_SUCCESS;
  Context* context = nullptr;
};
Current current();
/// The same for a call that is unsafe during captures.
Current current_for_unsafe();

/// The current context and the stream that a handle stands for: null, with an error, for a handle
/// of none. The stream may be another context's.
struct CurrentStream {
  CUresult status = CUDA_SUCCESS;
  Context* context = nullptr;
  Stream* stream = nullptr;
};
CurrentStream current_stream(CUstream handle);

/// The contexts in which a handle may be known, the current one first.
std::vector<Context*> known_contexts();

/// The value that a handle stands for in any context; null for none.
template <typename T>
T* find_handle(Handles<T> Context::*kind, const void* handle) {
  for (Context* context : known_contexts()) {
    const std::lock_guard lock(context->mutex);
    if (T* found = (context->*kind).find(handle)) return found;
  }
  return nullptr;
}

/// The same of a CUfunction or CUkernel, which the modules own.
Kernel* find_kernel(const void* handle);

/// Whether the handle is that of a context, alive or ended.
bool is_context(CUcontext handle);

}  // namespace virtual_gpu
