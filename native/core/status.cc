// The names under which JavaScript sees the status codes.
#include "core/status.h"

namespace fusebert {

const char* status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "OK";
    case StatusCode::kInvalidArgument: return "ERR_INVALID_ARGUMENT";
    case StatusCode::kFileNotFound: return "ERR_FILE_NOT_FOUND";
    case StatusCode::kFileRead: return "ERR_FILE_READ";
    case StatusCode::kTensorMissing: return "ERR_TENSOR_MISSING";
    case StatusCode::kTensorShape: return "ERR_TENSOR_SHAPE";
    case StatusCode::kTensorDtype: return "ERR_TENSOR_DTYPE";
    case StatusCode::kTensorValue: return "ERR_TENSOR_VALUE";
    case StatusCode::kConfig: return "ERR_CONFIG";
    case StatusCode::kTokenizerFormat: return "ERR_TOKENIZER_FORMAT";
    case StatusCode::kInputTooLong: return "ERR_INPUT_TOO_LONG";
    case StatusCode::kInputToken: return "ERR_INPUT_TOKEN";
    case StatusCode::kDeviceUnavailable: return "ERR_DEVICE_UNAVAILABLE";
    case StatusCode::kDeviceFailed: return "ERR_DEVICE_FAILED";
    case StatusCode::kNotFinite: return "ERR_NOT_FINITE";
    case StatusCode::kOutOfMemory: return "ERR_OUT_OF_MEMORY";
    case StatusCode::kAborted: return "ERR_ABORTED";
    case StatusCode::kDisposed: return "ERR_DISPOSED";
    case StatusCode::kQueueFull: return "ERR_QUEUE_FULL";
    case StatusCode::kInternal: return "ERR_INTERNAL";
  }
  return "ERR_INTERNAL";
}

}  // namespace fusebert
