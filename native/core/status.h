// How native code reports failure: a Status (code and message) or a Result<T>. Exceptions never
// cross a boundary between folders; codes become the `code` of a FusebertError in JavaScript.
// Messages never contain text that a user asked to encode: it may be private.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace fusebert {

enum class StatusCode {
  kOk,
  kInvalidArgument,    // a caller's value is out of its documented range
  kFileNotFound,       // a file does not exist
  kFileRead,           // a file may not be opened, cannot be read, changed, or was truncated
  kTensorMissing,      // a tensor that the geometry needs is not in the checkpoint
  kTensorShape,        // a tensor's shape, stride or byte range does not fit
  kTensorDtype,        // a tensor has a dtype that weights cannot have
  kTensorValue,        // a weight is NaN or infinite
  kConfig,             // a geometry that cannot run
  kTokenizerFormat,    // vocabulary or tokenizer settings that contradict each other
  kInputTooLong,       // a text is longer than the limit and truncation is off
  kInputToken,         // a token id or token type outside the model's tables
  kDeviceUnavailable,  // the asked-for device or instruction set is not there
  kDeviceFailed,       // a device reported an error, or cannot be used any more after one
  kNotFinite,          // activations that are NaN or infinite, or left the range of their type
  kOutOfMemory,
  kAborted,    // cancelled by the caller
  kDisposed,   // used after dispose()
  kQueueFull,  // more requests are waiting than the queue's bound
  kInternal,   // an invariant is broken; a bug in fusebert
};

// The stable string of a code, as JavaScript sees it: "ERR_INVALID_ARGUMENT", ….
const char* status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// For where memory has run out: its message is so short that it takes none.
inline Status no_memory() { return Status(StatusCode::kOutOfMemory, "Out of memory."); }

// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}          // NOLINT
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace fusebert

#define FUSEBERT_RETURN_IF_ERROR(expression)                   \
  do {                                                         \
    ::fusebert::Status fusebert_status_ = (expression);        \
    if (!fusebert_status_.ok()) return fusebert_status_;       \
  } while (false)
