// What a tokenizer makes, as JavaScript sees it; lib/native/addon.ts describes the objects.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>

#include "core/status.h"
#include "tokenizer/batch_encoder.h"
#include "tokenizer/padded_encoding.h"

namespace fusebert::node {

// An encoding on its way: packed, or padded as a layout says.
class EncodingResult {
 public:
  EncodingResult(const EncodeOptions& options, std::optional<PaddedLayout> layout)
      : options_(options), layout_(layout) {}

  const EncodeOptions& options() const { return options_; }

  // Any thread.
  Status set(BatchEncoding encoding);
  // JavaScript thread, once; null when the environment is ending.
  napi_value to_js(napi_env env);

 private:
  napi_value packed_to_js(napi_env env);
  napi_value padded_to_js(napi_env env);

  const EncodeOptions options_;
  const std::optional<PaddedLayout> layout_;
  BatchEncoding encoding_;
  PaddedEncoding padded_;
};

// From null, or { padding, length, pad_token_id, token_type_ids }.
Result<std::optional<PaddedLayout>> to_layout(const Napi::Value& value);

}  // namespace fusebert::node
