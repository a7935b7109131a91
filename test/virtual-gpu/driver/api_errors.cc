// Names and descriptions of errors (CUDA driver API, section "Error Handling").
#include <array>
#include <string_view>

#include "driver/export.h"

namespace {

struct ErrorRow {
  CUresult code;
  const char* name;
  const char* description;
};

#define VIRTUAL_GPU_ERROR(code, description) ErrorRow{code, #code, description}
constexpr std::array kErrors{
    VIRTUAL_GPU_ERROR(CUDA_SUCCESS, "no error"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NOT_INITIALIZED, "the driver is not initialized"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_DEINITIALIZED, "the driver is shutting down"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NO_DEVICE, "no device is there"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_DEVICE, "no such device"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_DEVICE_UNAVAILABLE, "the device is busy or gone"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_IMAGE, "the kernel image cannot be read"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_CONTEXT, "no valid context is current"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image fits the device"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_PTX, "the PTX cannot be compiled"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the PTX is newer than the driver"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_FILE_NOT_FOUND, "no such file"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_OPERATING_SYSTEM, "a call of the operating system failed"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid handle"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NOT_FOUND, "no such name"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NOT_READY, "not ready yet"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an access of memory that is not the kernel's"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too few resources for the launch"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "the kernel did not end"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "already registered"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "not registered"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context has been destroyed"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an instruction used against its rules"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_MISALIGNED_ADDRESS, "a misaligned address"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_LAUNCH_FAILED, "the kernel failed"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks to be resident"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_ILLEGAL_STATE, "not in this state"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not while a stream is captured"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture became invalid"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "an event from outside the capture"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE, "two captures would be merged"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "another stream began the capture"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "a stream did not come back"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "stream 0 would join the capture"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "another thread began the capture"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph differs too much"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_NOT_SUPPORTED, "not supported"),
    VIRTUAL_GPU_ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
};

const ErrorRow* row_of(CUresult code) {
  for (const ErrorRow& row : kErrors) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace

VIRTUAL_GPU_API cuGetErrorName(CUresult error, const char** name) try {
  if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const ErrorRow* row = row_of(error);
  *name = row == nullptr ? nullptr : row->name;
  return row == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGetErrorString(CUresult error, const char** text) try {
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const ErrorRow* row = row_of(error);
  *text = row == nullptr ? nullptr : row->description;
  return row == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
} VIRTUAL_GPU_END
