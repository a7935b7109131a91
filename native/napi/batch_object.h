// A batch of texts that comes in parts, as JavaScript holds it; lib/native/addon.ts describes its
// methods.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "napi/lanes.h"
#include "tokenizer/batch_encoder.h"
#include "tokenizer/padded_encoding.h"

namespace fusebert::node {

class BatchObject : public Napi::ObjectWrap<BatchObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // The batch of a tokenizer. Arguments: options, layout or null, expected bytes,
  // lanes.
  static Napi::Value start(const Napi::CallbackInfo& info,
                           const std::shared_ptr<const Tokenizer>& tokenizer);

  explicit BatchObject(const Napi::CallbackInfo& info);

 private:
  struct Start;

  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);

  EncodeOptions options_;
  std::optional<PaddedLayout> layout_;
  std::shared_ptr<BatchEncoder> encoder_;  // null once finished
  std::shared_ptr<Lanes> lanes_;
  int64_t parts_ = 0;
  int64_t texts_ = 0;
  // Parts that are being encoded. Their promises' closures share it, on the JavaScript thread.
  std::shared_ptr<int64_t> under_way_ = std::make_shared<int64_t>(0);
};

}  // namespace fusebert::node
