// Streams and events (CUDA driver API, sections "Stream Management", "Event Management").
#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
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

Event* event_of(CUevent handle) { return find_handle(&Context::events, handle); }

}  // namespace

VIRTUAL_GPU_API cuStreamCreateWithPriority(CUstream* handle, unsigned int flags, int priority) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr || (flags & ~CU_STREAM_NON_BLOCKING) != 0) return CUDA_ERROR_INVALID_VALUE;
  auto stream = std::make_unique<Stream>();
  stream->context = now.context;
  stream->flags = flags;
  stream->priority = std::clamp(priority, kGreatestPriority, kLeastPriority);
  const std::lock_guard lock(now.context->mutex);
  *handle = reinterpret_cast<CUstream>(now.context->streams.add(std::move(stream)));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamCreate(CUstream* handle, unsigned int flags) try {
  return cuStreamCreateWithPriority(handle, flags, 0);
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamDestroy(CUstream handle) try {
  const CurrentStream now = current_stream(handle);
  if (now.context == nullptr) return now.status;
  if (now.stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Context& owner = *now.stream->context;
  if (now.stream == &owner.legacy) return CUDA_ERROR_INVALID_HANDLE;
  const std::lock_guard lock(owner.mutex);
  owner.retire(*now.stream);
  return owner.streams.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamSynchronize(CUstream handle) try {
  const CurrentStream now = current_stream(handle);
  if (now.stream == nullptr) return now.status;
  const CUresult refused = now.stream->context->refuse_if_captured(*now.stream);
  if (refused != CUDA_SUCCESS) return refused;
  now.stream->ticket().wait();
  return now.stream->context->sticky;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamQuery(CUstream handle) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  const CUresult refused = now.stream->context->refuse_if_captured(*now.stream);
  if (refused != CUDA_SUCCESS) return refused;
  return now.stream->ticket().done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamGetPriority(CUstream handle, int* priority) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (priority == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *priority = now.stream->priority;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamGetFlags(CUstream handle, unsigned int* flags) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *flags = now.stream->flags;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned int) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  Event* const found = event_of(event_handle);
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *found;
  Stream& stream = *now.stream;
  const std::lock_guard lock(event.mutex);
  if (event.capture != nullptr) return join_capture(stream, event);
  if (stream.capture != nullptr) {
    stream.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  const CUresult refused = stream.context->refuse_if_captured(stream);
  if (refused != CUDA_SUCCESS) return refused;
  // A stream need not wait for itself.
  if (!event.recorded || event.recorded->queue == stream.queue) return CUDA_SUCCESS;
  stream.context->add(stream, [ticket = *event.recorded] { ticket.wait(); });
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return now.context->submit(*now.stream,
                             {.type = CU_GRAPH_NODE_TYPE_HOST,
                              .run = [=] { function(data); },
                              .launch = {}});
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventCreate(CUevent* handle, unsigned int flags) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto event = std::make_unique<Event>();
  event->context = now.context;
  event->flags = flags;
  const std::lock_guard lock(now.context->mutex);
  *handle = reinterpret_cast<CUevent>(now.context->events.add(std::move(event)));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventDestroy(CUevent handle) try {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  const Event* event = event_of(handle);
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Context& owner = *event->context;
  const std::lock_guard lock(owner.mutex);
  return owner.events.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventRecord(CUevent handle, CUstream stream_handle) try {
  const CurrentStream now = current_stream(stream_handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  Event* const found = event_of(handle);
  Stream& stream = *now.stream;
  // An event is recorded in its own context.
  if (found == nullptr || found->context != stream.context) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *found;
  if (stream.capture != nullptr) {
    const std::lock_guard lock(event.mutex);
    event.capture = stream.capture;
    event.nodes = stream.frontier;
    return CUDA_SUCCESS;
  }
  const CUresult refused = stream.context->refuse_if_captured(stream);
  if (refused != CUDA_SUCCESS) return refused;
  auto time = std::make_shared<std::optional<Event::Time>>();
  const std::uint64_t number =
      stream.context->add(stream, [time] { *time = std::chrono::steady_clock::now(); });
  const std::lock_guard lock(event.mutex);
  event.capture = nullptr;
  event.recorded = Ticket{stream.queue, number};
  event.time = std::move(time);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventQuery(CUevent handle) try {
  const Current now = current_for_unsafe();
  if (now.status != CUDA_SUCCESS) return now.status;
  Event* const found = event_of(handle);
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *found;
  const std::lock_guard lock(event.mutex);
  if (event.capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  return !event.recorded || event.recorded->done() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventSynchronize(CUevent handle) try {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  Event* const found = event_of(handle);
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& event = *found;
  std::optional<Ticket> recorded;
  {
    const std::lock_guard lock(event.mutex);
    if (event.capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
    recorded = event.recorded;
  }
  if (recorded) recorded->wait();
  return now.context->sticky;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Event* const first_found = event_of(start);
  Event* const second_found = event_of(end);
  if (first_found == nullptr || second_found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Event& first = *first_found;
  Event& second = *second_found;
  std::unique_lock first_lock(first.mutex, std::defer_lock);
  std::unique_lock second_lock(second.mutex, std::defer_lock);
  if (&first == &second) first_lock.lock();
  else std::lock(first_lock, second_lock);
  if (((first.flags | second.flags) & CU_EVENT_DISABLE_TIMING) != 0 || !first.recorded ||
      !second.recorded) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!first.recorded->done() || !second.recorded->done()) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(**second.time - **first.time).count();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
