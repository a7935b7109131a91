// The bounds of a backend's options.
#include <string>

#include "backend/backend.h"

namespace fusebert {
namespace {

// More is never of use, and a typing error should not start a million threads or ask for
// terabytes.
constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxMaxBatchTokens = int64_t{1} << 20;
constexpr int64_t kMaxDeviceBytes = INT64_MAX;  // what no device has is no limit

Status check_range(const std::string& name, int64_t value, int64_t most) {
  if (value >= 0 && value <= most) return Status();
  return Status(StatusCode::kInvalidArgument, "Expected a whole number from 0 (the default) to " +
                                                  std::to_string(most) + " for " + name +
                                                  " but received " + std::to_string(value) + ".");
}

}  // namespace

Status validate(const BackendOptions& options) {
  FUSEBERT_RETURN_IF_ERROR(check_range("threads", options.threads, kMaxThreads));
  FUSEBERT_RETURN_IF_ERROR(
      check_range("max_batch_tokens", options.max_batch_tokens, kMaxMaxBatchTokens));
  return check_range("max_device_bytes", options.max_device_bytes, kMaxDeviceBytes);
}

}  // namespace fusebert
