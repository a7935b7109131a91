// Streams and events (CUDA driver API, sections "Stream Management", "Event Management").
#include <algorithm>
#include <chrono>
#include <utility>

#include "driver/export.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

template <typename T>
bool erase(std::set<std::unique_ptr<T>>& owners, const T* value) {
  const auto found = std::find_if(owners.begin(), owners.end(),
                                  [value](const auto& owner) { return owner.get() == value; });
  if (found == owners.end()) return false;
  owners.erase(found);
  return true;
}

Event* event_of(CUevent handle) { return reinterpret_cast<Event*>(handle); }

}  // namespace

VIRTUAL_GPU_API cuStreamCreateWithPriority(CUstream* handle, unsigned int flags, int priority) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr || (flags & ~CU_STREAM_NON_BLOCKING) != 0) return CUDA_ERROR_INVALID_VALUE;
  auto stream = std::make_unique<Stream>();
  stream->context = now.context;
  stream->flags = flags;
  stream->priority = priority;
  *handle = reinterpret_cast<CUstream>(stream.get());
  const std::lock_guard lock(now.context->mutex);
  now.context->streams.insert(std::move(stream));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuStreamCreate(CUstream* handle, unsigned int flags) {
  return cuStreamCreateWithPriority(handle, flags, 0);
}

VIRTUAL_GPU_API cuStreamDestroy(CUstream handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  const auto* stream = reinterpret_cast<Stream*>(handle);
  // Its operations still run: whoever holds the queue last waits for them.
  const std::shared_ptr<StreamQueue> queue = stream->queue;
  const std::lock_guard lock(now.context->mutex);
  return erase(now.context->streams, stream) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

VIRTUAL_GPU_API cuStreamSynchronize(CUstream handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  stream_of(*now.context, handle).ticket().wait();
  return now.context->sticky;
}

VIRTUAL_GPU_API cuStreamQuery(CUstream handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  return stream_of(*now.context, handle).ticket().done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

VIRTUAL_GPU_API cuStreamGetPriority(CUstream handle, int* priority) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (priority == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *priority = stream_of(*now.context, handle).priority;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuStreamGetFlags(CUstream handle, unsigned int* flags) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *flags = stream_of(*now.context, handle).flags;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned int) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  Event& event = *event_of(event_handle);
  std::optional<Ticket> recorded;
  {
    const std::lock_guard lock(event.mutex);
    recorded = event.recorded;
  }
  if (!recorded) return CUDA_SUCCESS;
  now.context->add(stream_of(*now.context, handle),
                   [ticket = *recorded] { ticket.wait(); });
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  context->add(stream_of(*context, handle),
               [=] { if (context->sticky == CUDA_SUCCESS) function(data); });
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuEventCreate(CUevent* handle, unsigned int flags) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto event = std::make_unique<Event>();
  event->context = now.context;
  event->flags = flags;
  *handle = reinterpret_cast<CUevent>(event.get());
  const std::lock_guard lock(now.context->mutex);
  now.context->events.insert(std::move(event));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuEventDestroy(CUevent handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  const std::lock_guard lock(now.context->mutex);
  return erase(now.context->events, event_of(handle)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

VIRTUAL_GPU_API cuEventRecord(CUevent handle, CUstream stream_handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *event_of(handle);
  Stream& stream = stream_of(*now.context, stream_handle);
  auto time = std::make_shared<std::optional<Event::Time>>();
  const std::uint64_t number =
      now.context->add(stream, [time] { *time = std::chrono::steady_clock::now(); });
  const std::lock_guard lock(event.mutex);
  event.recorded = Ticket{stream.queue, number};
  event.time = std::move(time);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuEventQuery(CUevent handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  Event& event = *event_of(handle);
  const std::lock_guard lock(event.mutex);
  return !event.recorded || event.recorded->done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

VIRTUAL_GPU_API cuEventSynchronize(CUevent handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  Event& event = *event_of(handle);
  std::optional<Ticket> recorded;
  {
    const std::lock_guard lock(event.mutex);
    recorded = event.recorded;
  }
  if (recorded) recorded->wait();
  return now.context->sticky;
}

VIRTUAL_GPU_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Event& first = *event_of(start);
  Event& second = *event_of(end);
  if (((first.flags | second.flags) & CU_EVENT_DISABLE_TIMING) != 0 || !first.recorded ||
      !second.recorded) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!first.recorded->done() || !second.recorded->done()) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(**second.time - **first.time).count();
  return CUDA_SUCCESS;
}
