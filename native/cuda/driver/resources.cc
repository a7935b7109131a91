// Making what lives in a context, and waiting for it.
#include "cuda/driver/resources.h"

#include <chrono>
#include <string>
#include <thread>

namespace fusebert::cuda {
namespace {

// A short sentence is to take 200 µs from end to end, and waking a thread about a quarter of that.
constexpr std::chrono::microseconds kAwake(200);

// Wraps what a creating call has put into `handle`.
template <class T, class Handle>
Result<T> owned(const ContextPointer& context, CUresult result, const char* what,
                Handle& handle) {
  FUSEBERT_RETURN_IF_ERROR(context->api().check(result, what));
  return T(context, handle);
}

// "12 MiB of 80 MiB are free".
std::string free_memory(const Context& context) {
  std::size_t free = 0, total = 0;
  context.api().cuMemGetInfo(&free, &total);
  return size_text(free) + " of " + size_text(total) + " are free";
}

}  // namespace

Result<Stream> create_stream(const ContextPointer& context) {
  CUstream stream = nullptr;
  const CUresult result = context->api().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  return owned<Stream>(context, result, "cuStreamCreate", stream);
}

Result<Event> create_event(const ContextPointer& context) {
  CUevent event = nullptr;
  const CUresult result = context->api().cuEventCreate(
      &event, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
  return owned<Event>(context, result, "cuEventCreate", event);
}

Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes,
                                     const BudgetPointer& budget) {
  auto share = MemoryBudget::take(budget, bytes);
  if (!share.ok()) return share.status();
  CUdeviceptr address = 0;
  const CUresult result = context->api().cuMemAlloc(&address, bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    return Status(StatusCode::kOutOfMemory, "Expected " + size_text(bytes) + " of memory on " +
                                                context->name() + " but " +
                                                free_memory(*context) + ".");
  }
  FUSEBERT_RETURN_IF_ERROR(context->api().check(result, "cuMemAlloc"));
  return DeviceMemory(std::move(share.value()), context, address);
}

Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes) {
  void* memory = nullptr;
  const CUresult result = context->api().cuMemHostAlloc(&memory, bytes, 0);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    return Status(StatusCode::kOutOfMemory,
                  "Expected " + size_text(bytes) +
                      " of the host's memory, pinned for copies to and from " + context->name() +
                      ", but the system has no more to pin.");
  }
  return owned<PinnedMemory>(context, result, "cuMemHostAlloc", memory);
}

Result<Module> load_module(const ContextPointer& context, const void* image) {
  CUmodule module = nullptr;
  const CUresult result = context->api().cuModuleLoadData(&module, image);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    return Status(StatusCode::kOutOfMemory, "Expected memory for kernels on " + context->name() +
                                                " but " + free_memory(*context) + ".");
  }
  return owned<Module>(context, result, "cuModuleLoadData", module);
}

Status order(const Event& event, const Stream& from, const Stream& to) {
  if (from.get() == to.get()) return Status();
  FUSEBERT_CUDA_CHECK(from.api(), cuEventRecord(event.get(), from.get()));
  FUSEBERT_CUDA_CHECK(to.api(),
                      cuStreamWaitEvent(to.get(), event.get(), CU_EVENT_WAIT_DEFAULT));
  return Status();
}

Status wait_for(const Event& event) {
  const auto end = std::chrono::steady_clock::now() + kAwake;
  do {
    const CUresult result = event.api().cuEventQuery(event.get());
    if (result != CUDA_ERROR_NOT_READY) return event.api().check(result, "cuEventQuery");
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  FUSEBERT_CUDA_CHECK(event.api(), cuEventSynchronize(event.get()));
  return Status();
}

}  // namespace fusebert::cuda
