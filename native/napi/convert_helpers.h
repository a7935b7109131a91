// What the files of conversions share.
#pragma once

#include <napi.h>

#include <limits>
#include <string>
#include <utility>

#include "core/status.h"
#include "napi/convert.h"

namespace fusebert::node {

inline Status expected(const char* what, const std::string& key) {
  return Status(StatusCode::kInvalidArgument,
                std::string("Expected ") + what + " for " + key + ".");
}

// Assigns the result of a conversion or returns its status from the enclosing function.
#define FUSEBERT_ASSIGN(target, expression)                \
  do {                                                     \
    auto fusebert_result_ = (expression);                  \
    if (!fusebert_result_.ok()) return fusebert_result_.status(); \
    (target) = std::move(fusebert_result_.value());        \
  } while (false)

inline Result<int32_t> to_int32(const Napi::Object& object, const char* key) {
  int64_t value = 0;
  FUSEBERT_ASSIGN(value, to_int(object, key));
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
    return expected("an integer of 32 bits", key);
  }
  return static_cast<int32_t>(value);
}

inline bool is_bytes(const Napi::Value& value) {
  return value.IsTypedArray() &&
         value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

}  // namespace fusebert::node
