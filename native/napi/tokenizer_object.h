// The tokenizer as JavaScript holds it; lib/native/addon.ts describes its methods.
#pragma once

#include <napi.h>

#include <memory>

#include "tokenizer/tokenizer.h"

namespace fusebert::node {

class TokenizerObject : public Napi::ObjectWrap<TokenizerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // createTokenizer(spec): Promise<NativeTokenizer>
  static Napi::Value create(const Napi::CallbackInfo& info);
  // The tokenizer behind a value, or null when the value is something else.
  static std::shared_ptr<const Tokenizer> unwrap(const Napi::Value& value);

  explicit TokenizerObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value start_batch(const Napi::CallbackInfo& info);
  Napi::Value encode(const Napi::CallbackInfo& info, bool at_once);
  Napi::Value count(const Napi::CallbackInfo& info, bool at_once);
  Napi::Value decode(const Napi::CallbackInfo& info, bool at_once);
  Napi::Value decode_tokens(const Napi::CallbackInfo& info);
  template <auto kMethod, bool kAtOnce>
  Napi::Value call(const Napi::CallbackInfo& info) {
    return (this->*kMethod)(info, kAtOnce);
  }
  Napi::Value token_to_id(const Napi::CallbackInfo& info);
  Napi::Value id_to_token(const Napi::CallbackInfo& info);
  Napi::Value special_token_count(const Napi::CallbackInfo& info);
  Napi::Value vocab_size(const Napi::CallbackInfo& info);

  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace fusebert::node
