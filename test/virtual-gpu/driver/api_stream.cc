// Streams and events (CUDA driver API, sections "Stream Management", "Event Management").
#include <algorithm>
#include <chrono>
#include <utility>

#include "driver/export.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

/// The stream goes on behind what the event was recorded after, in the event's capture.
CUresult join_capture(Stream& stream, const Event& event) {
  if (event.capture->ended) return CUDA_ERROR_CAPTURED_EVENT;
  if (&stream == &stream.context->legacy) {
    event.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  const std::lock_guard lock(stream.context->mutex);
  if (stream.capture != nullptr && stream.capture != event.capture) {
    stream.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (stream.capture == nullptr) {
    stream.capture = event.capture;
    stream.frontier.clear();
  }
  for (const std::size_t node : event.nodes) {
    const auto& frontier = stream.frontier;
    if (std::find(frontier.begin(), frontier.end(), node) == frontier.end()) {
      stream.frontier.push_back(node);
    }
  }
  return CUDA_SUCCESS;
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
  if (handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const auto* stream = reinterpret_cast<Stream*>(handle);
  const std::lock_guard lock(now.context->mutex);
  // Its operations still run; the context waits for them where it waits for all streams.
  std::erase_if(now.context->retired, [](const Ticket& ticket) { return ticket.done(); });
  now.context->retired.push_back(stream->ticket());
  return erase(now.context->streams, stream) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

VIRTUAL_GPU_API cuStreamSynchronize(CUstream handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  Stream& stream = stream_of(*now.context, handle);
  const CUresult refused = now.context->refuse_if_captured(stream);
  if (refused != CUDA_SUCCESS) return refused;
  stream.ticket().wait();
  return now.context->sticky;
}

VIRTUAL_GPU_API cuStreamQuery(CUstream handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  Stream& stream = stream_of(*now.context, handle);
  const CUresult refused = now.context->refuse_if_captured(stream);
  if (refused != CUDA_SUCCESS) return refused;
  return stream.ticket().done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
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
  if (event_handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *event_of(event_handle);
  Stream& stream = stream_of(*now.context, handle);
  const std::lock_guard lock(event.mutex);
  if (event.capture != nullptr) return join_capture(stream, event);
  if (stream.capture != nullptr) {
    stream.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  // A stream need not wait for itself.
  if (!event.recorded || event.recorded->queue == stream.queue) return CUDA_SUCCESS;
  now.context->add(stream, [ticket = *event.recorded] { ticket.wait(); });
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return now.context->submit(stream_of(*now.context, handle),
                             {.type = CU_GRAPH_NODE_TYPE_HOST,
                              .run = [=] { function(data); },
                              .launch = {}});
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
  if (stream.capture != nullptr) {
    const std::lock_guard lock(event.mutex);
    event.capture = stream.capture;
    event.nodes = stream.frontier;
    return CUDA_SUCCESS;
  }
  auto time = std::make_shared<std::optional<Event::Time>>();
  const std::uint64_t number =
      now.context->add(stream, [time] { *time = std::chrono::steady_clock::now(); });
  const std::lock_guard lock(event.mutex);
  event.capture = nullptr;
  event.recorded = Ticket{stream.queue, number};
  event.time = std::move(time);
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuEventQuery(CUevent handle) {
  const Current now = current_for_unsafe();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *event_of(handle);
  const std::lock_guard lock(event.mutex);
  if (event.capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  return !event.recorded || event.recorded->done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

VIRTUAL_GPU_API cuEventSynchronize(CUevent handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *event_of(handle);
  std::optional<Ticket> recorded;
  {
    const std::lock_guard lock(event.mutex);
    if (event.capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
    recorded = event.recorded;
  }
  if (recorded) recorded->wait();
  return now.context->sticky;
}

VIRTUAL_GPU_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (start == nullptr || end == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& first = *event_of(start);
  Event& second = *event_of(end);
  if (&first == &second) {
    *milliseconds = 0;
    return CUDA_SUCCESS;
  }
  const std::scoped_lock lock(first.mutex, second.mutex);
  if (((first.flags | second.flags) & CU_EVENT_DISABLE_TIMING) != 0 || !first.recorded ||
      !second.recorded) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!first.recorded->done() || !second.recorded->done()) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(**second.time - **first.time).count();
  return CUDA_SUCCESS;
}
