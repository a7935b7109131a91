#include "driver/state.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include "driver/faults.h"
#include "driver/launch.h"

namespace virtual_gpu {
namespace {

constexpr int kMaxDevices = 64;
constexpr unsigned long kMaxThreads = 256;

std::string environment(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

unsigned long number_from(const char* name, unsigned long fallback, unsigned long most) {
  const std::string text = environment(name, std::to_string(fallback));
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  return *end == '\0' ? std::min(value, most) : fallback;
}

Settings settings_from_environment() {
  Settings settings;
  settings.seed = number_from("VIRTUAL_GPU_SEED", 1, ~0ul);
  settings.max_instructions = number_from("VIRTUAL_GPU_MAX_INSTRUCTIONS", 0, ~0ul);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  settings.host_threads =
      static_cast<std::uint32_t>(std::max(1ul, number_from("VIRTUAL_GPU_THREADS", cores,
                                                           kMaxThreads)));
  settings.profile = environment("VIRTUAL_GPU_PROFILE", settings.profile);
  settings.count = static_cast<int>(number_from("VIRTUAL_GPU_COUNT", 1, kMaxDevices));
  return settings;
}

}  // namespace

Context::Context(Device& device) : device(device) { legacy.context = this; }

CUresult Context::submit(Stream& stream, Work work) {
  if (stream.context != this) return CUDA_ERROR_INVALID_HANDLE;
  {
    const std::lock_guard lock(mutex);
    if (stream.capture != nullptr) return capture_work(stream, std::move(work));
    if (&stream == &legacy) {
      const CUresult refused = refuse_legacy();
      if (refused != CUDA_SUCCESS) return refused;
    }
  }
  add(stream, [this, work = std::move(work)] {
    if (sticky != CUDA_SUCCESS) return;
    if (work.type == CU_GRAPH_NODE_TYPE_KERNEL) run_launch(*this, work.launch);
    else work.run();
  });
  return CUDA_SUCCESS;
}

CUresult Context::capture_work(Stream& stream, Work work) {
  Capture& capture = *stream.capture;
  if (capture.invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  auto node = std::make_unique<GraphNode>();
  node->work = std::move(work);
  node->after = stream.frontier;
  stream.frontier = {capture.graph.nodes.size()};
  capture.graph.nodes.push_back(std::move(node));
  return CUDA_SUCCESS;
}

/// Work on stream 0 would have to come after a blocking stream that is being captured.
CUresult Context::refuse_legacy() {
  for (const auto& [handle, stream] : streams) {
    if (stream->capture == nullptr || !stream->blocking()) continue;
    stream->capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  return CUDA_SUCCESS;
}

CUresult Context::refuse_if_captured(Stream& stream) {
  const std::lock_guard lock(mutex);
  if (&stream == &legacy) return refuse_legacy();
  if (stream.capture == nullptr) return CUDA_SUCCESS;
  stream.capture->invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult Context::refuse_unsafe() {
  const CUstreamCaptureMode mode = capture_mode();
  if (mode == CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_SUCCESS;
  CUresult result = CUDA_SUCCESS;
  const std::lock_guard lock(mutex);
  for (const auto& [handle, stream] : streams) {
    Capture* capture = stream->capture.get();
    if (capture == nullptr || capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
    const bool own = capture->thread == std::this_thread::get_id();
    const bool everywhere = mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                            capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!own && !everywhere) continue;
    capture->invalid = true;
    result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return result;
}

std::uint64_t Context::add(Stream& stream, StreamQueue::Operation operation) {
  const std::lock_guard lock(mutex);
  std::vector<Ticket> after;
  if (&stream == &legacy) {
    for (const auto& [handle, other] : streams) {
      if (other->blocking()) after.push_back(other->ticket());
    }
    for (const RetiredStream& other : retired) {
      if (other.blocking) after.push_back(other.end);
    }
  } else if (stream.blocking()) {
    after.push_back(legacy.ticket());
  }
  auto guarded = [this, operation = std::move(operation)] {
    try {
      operation();
    } catch (const std::bad_alloc&) {
      fail(CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left");
    } catch (const std::exception& error) {
      fail(CUDA_ERROR_UNKNOWN, error.what());
    }
  };
  return stream.queue->add(std::move(guarded), std::move(after));
}

CUresult Context::synchronize() {
  std::vector<Ticket> all;
  {
    const std::lock_guard lock(mutex);
    all.push_back(legacy.ticket());
    for (const auto& [handle, stream] : streams) all.push_back(stream->ticket());
    for (const RetiredStream& stream : retired) all.push_back(stream.end);
  }
  for (const Ticket& ticket : all) ticket.wait();
  const std::lock_guard lock(mutex);
  forget_done();
  return sticky;
}

void Context::retire(const Stream& stream) {
  forget_done();
  retired.push_back({stream.ticket(), stream.blocking()});
}

/// Others may still have to wait for those that are not done.
void Context::forget_done() {
  std::erase_if(retired, [](const RetiredStream& stream) { return stream.end.done(); });
}

void Context::end() {
  synchronize();
  const std::lock_guard lock(mutex);
  streams.clear();
  events.clear();
  executables.clear();
  graphs.clear();
  modules.clear();
  legacy.queue.reset();
  ended = true;
}

void Context::fail(CUresult status, const std::string& report) {
  std::fprintf(stderr, "virtual GPU: %s\n", report.c_str());
  CUresult none = CUDA_SUCCESS;
  sticky.compare_exchange_strong(none, status);
}

void Device::end_primary() {
  if (primary == nullptr) return;
  primary->end();
  ended.push_back(std::move(primary));
  // What was allocated in the context goes with it.
  memory = std::make_unique<Memory>(profile->memory_bytes);
  const std::lock_guard lock(pools_mutex);
  default_pool = std::make_shared<MemoryPool>(ordinal);
  pool = default_pool;
  pools.clear();
}

bool Device::end_own(const Context* context) {
  const auto found = std::find_if(own.begin(), own.end(),
                                  [&](const auto& each) { return each.get() == context; });
  if (found == own.end()) return false;
  (*found)->end();
  for (const std::uint64_t address : (*found)->device_memory) memory->free(address);
  ended.push_back(std::move(*found));
  own.erase(found);
  return true;
}

Driver& Driver::instance() {
  // Never destroyed: streams' threads may still be running when the process ends.
  static auto* driver = new Driver;
  return *driver;
}

CUresult Driver::initialize(unsigned flags) {
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex_);
  if (initialized_) return CUDA_SUCCESS;
  settings_ = settings_from_environment();
  const Profile* profile = profile_named(settings_.profile);
  if (profile == nullptr) {
    std::fprintf(stderr, "virtual GPU: VIRTUAL_GPU_PROFILE is \"%s\"; expected one of:",
                 settings_.profile.c_str());
    for (const Profile& known : profiles()) {
      std::fprintf(stderr, " %.*s", static_cast<int>(known.name.size()), known.name.data());
    }
    std::fprintf(stderr, "\n");
    return CUDA_ERROR_NO_DEVICE;
  }
  if (settings_.count == 0 || Faults::instance().no_device()) return CUDA_ERROR_NO_DEVICE;
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < settings_.count; ++i) {
    auto device = std::make_unique<Device>();
    device->ordinal = i;
    device->profile = profile;
    device->memory = std::make_unique<Memory>(profile->memory_bytes);
    device->default_pool = std::make_shared<MemoryPool>(i);
    device->pool = device->default_pool;
    devices.push_back(std::move(device));
  }
  devices_ = std::move(devices);
  initialized_ = true;
  return CUDA_SUCCESS;
}

Device* Driver::device(int ordinal) {
  if (ordinal < 0 || ordinal >= device_count()) return nullptr;
  return devices_[static_cast<std::size_t>(ordinal)].get();
}

std::vector<Context*>& context_stack() {
  static thread_local std::vector<Context*> stack;
  return stack;
}

CUstreamCaptureMode& capture_mode() {
  static thread_local CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return mode;
}

Current current() {
  if (!Driver::instance().initialized()) return {CUDA_ERROR_NOT_INITIALIZED, nullptr};
  const std::vector<Context*>& stack = context_stack();
  if (stack.empty() || stack.back() == nullptr) return {CUDA_ERROR_INVALID_CONTEXT, nullptr};
  if (stack.back()->ended) return {CUDA_ERROR_CONTEXT_IS_DESTROYED, nullptr};
  const CUresult sticky = stack.back()->sticky;
  return {sticky, stack.back()};
}

Current current_for_unsafe() {
  Current now = current();
  if (now.status != CUDA_SUCCESS) return now;
  now.status = now.context->refuse_unsafe();
  return now.status == CUDA_SUCCESS ? now : Current{now.status, nullptr};
}

FoundDevice find_device(CUdevice ordinal) {
  Driver& driver = Driver::instance();
  if (!driver.initialized()) return {CUDA_ERROR_NOT_INITIALIZED, nullptr};
  Device* device = driver.device(ordinal);
  return {device == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS, device};
}

std::vector<Context*> known_contexts() {
  std::vector<Context*> result;
  const std::vector<Context*>& stack = context_stack();
  if (!stack.empty()) result.push_back(stack.back());
  Driver& driver = Driver::instance();
  for (int i = 0; i < driver.device_count(); ++i) {
    Device& device = *driver.device(i);
    const std::lock_guard lock(device.mutex);
    if (device.primary != nullptr && (stack.empty() || device.primary.get() != stack.back())) {
      result.push_back(device.primary.get());
    }
    for (const auto& context : device.own) {
      if (stack.empty() || context.get() != stack.back()) result.push_back(context.get());
    }
  }
  return result;
}

CurrentStream current_stream(CUstream handle) {
  const Current now = current();
  if (now.context == nullptr) return {now.status, nullptr, nullptr};
  // Streams of threads would be one for each; here they are one in order with all.
  const bool is_default = handle == nullptr || handle == CU_STREAM_LEGACY ||
                          handle == CU_STREAM_PER_THREAD;
  Stream* stream = is_default ? &now.context->legacy : find_handle(&Context::streams, handle);
  const bool unknown = now.status == CUDA_SUCCESS && stream == nullptr;
  return {unknown ? CUDA_ERROR_INVALID_HANDLE : now.status, now.context, stream};
}

Kernel* find_kernel(const void* handle) {
  if (handle == nullptr) return nullptr;
  for (Context* context : known_contexts()) {
    const std::lock_guard lock(context->mutex);
    for (const auto& [module_handle, module] : context->modules) {
      for (const auto& [name, kernel] : module->kernels) {
        if (kernel.get() == handle) return kernel.get();
      }
    }
  }
  return nullptr;
}

bool is_context(CUcontext handle) {
  const auto* wanted = reinterpret_cast<const Context*>(handle);
  Driver& driver = Driver::instance();
  for (int i = 0; i < driver.device_count(); ++i) {
    Device& device = *driver.device(i);
    const std::lock_guard lock(device.mutex);
    if (device.primary.get() == wanted) return wanted != nullptr;
    for (const auto& context : device.own) {
      if (context.get() == wanted) return true;
    }
    for (const auto& context : device.ended) {
      if (context.get() == wanted) return true;
    }
  }
  return false;
}

}  // namespace virtual_gpu

void virtual_gpu_set_seed(unsigned long long seed) {
  virtual_gpu::Driver::instance().set_seed(seed);
}
