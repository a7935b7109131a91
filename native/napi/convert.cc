// Conversions from JavaScript options and tables.
#include "napi/convert.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "napi/convert_helpers.h"

namespace fusebert::node {

bool is_integer(const Napi::Value& value, int64_t& integer) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  constexpr double kMaxSafeInteger = 9007199254740991.0;  // 2^53 - 1
  if (!(std::fabs(number) <= kMaxSafeInteger) || number != std::floor(number)) return false;
  integer = static_cast<int64_t>(number);
  return true;
}

Result<TextList> to_texts(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "texts");
  const auto object = value.As<Napi::Object>();
  const Napi::Value bytes = object.Get("bytes");
  if (!is_bytes(bytes)) return expected("a Uint8Array", "bytes");
  std::span<const int32_t> offsets;
  FUSEBERT_ASSIGN(offsets, view_of_ints(object.Get("offsets"), "offsets"));
  const auto array = bytes.As<Napi::Uint8Array>();
  if (offsets.empty() || offsets.front() < 0 ||
      static_cast<size_t>(offsets.back()) > array.ElementLength() ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    return expected("ascending offsets into bytes", "offsets");
  }
  return TextList{reinterpret_cast<const char*>(array.Data()), offsets};
}

Result<std::string> to_string(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsString()) return expected("a string", key);
  return value.As<Napi::String>().Utf8Value();
}

Result<bool> to_bool(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsBoolean()) return expected("a boolean", key);
  return value.As<Napi::Boolean>().Value();
}

Result<int64_t> to_int(const Napi::Object& object, const char* key) {
  int64_t value = 0;
  if (!is_integer(object.Get(key), value)) return expected("an integer", key);
  return value;
}

Result<std::span<const int32_t>> view_of_ints(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    return expected("an Int32Array", name);
  }
  const auto array = value.As<Napi::Int32Array>();
  return std::span<const int32_t>(array.Data(), array.ElementLength());
}

Result<std::vector<int32_t>> to_int32s(const Napi::Value& value, const char* name) {
  std::span<const int32_t> view;
  FUSEBERT_ASSIGN(view, view_of_ints(value, name));
  return std::vector<int32_t>(view.begin(), view.end());
}

Result<EncodeOptions> to_encode_options(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "options");
  const auto object = value.As<Napi::Object>();
  EncodeOptions options;
  if (!object.Get("truncation").IsNull()) {
    std::string strategy;
    FUSEBERT_ASSIGN(strategy, to_string(object, "truncation"));
    if (strategy == "longest_first") options.truncation = Truncation::kLongestFirst;
    else if (strategy == "only_first") options.truncation = Truncation::kOnlyFirst;
    else if (strategy == "only_second") options.truncation = Truncation::kOnlySecond;
    else return expected("'longest_first', 'only_first' or 'only_second'", "truncation");
  }
  FUSEBERT_ASSIGN(options.max_length, to_int(object, "max_length"));
  FUSEBERT_ASSIGN(options.add_special_tokens, to_bool(object, "add_special_tokens"));
  FUSEBERT_ASSIGN(options.special_tokens_mask, to_bool(object, "special_tokens_mask"));
  if (!object.Get("overflowing").IsUndefined()) {
    FUSEBERT_ASSIGN(options.overflowing, to_bool(object, "overflowing"));
    FUSEBERT_ASSIGN(options.stride, to_int(object, "stride"));
  }
  if (!object.Get("whole_lengths").IsUndefined()) {
    FUSEBERT_ASSIGN(options.whole_lengths, to_bool(object, "whole_lengths"));
  }
  if (!object.Get("drop_empty_pairs").IsUndefined()) {
    FUSEBERT_ASSIGN(options.drop_empty_pairs, to_bool(object, "drop_empty_pairs"));
  }
  if (options.stride < 0) return expected("an integer of at least 0", "stride");
  std::string offsets;
  FUSEBERT_ASSIGN(offsets, to_string(object, "offsets"));
  if (offsets == "utf16") options.offsets = OffsetUnit::kUtf16;
  else if (offsets == "code_point") options.offsets = OffsetUnit::kCodePoint;
  else if (offsets != "none") return expected("'none', 'utf16' or 'code_point'", "offsets");
  return options;
}

}  // namespace fusebert::node
