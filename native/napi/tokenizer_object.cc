// JavaScript's NativeTokenizer over fusebert::Tokenizer.
#include "napi/tokenizer_object.h"

#include <utility>

#include "napi/background.h"
#include "napi/convert.h"
#include "napi/environment.h"
#include "napi/errors.h"

namespace fusebert::node {
namespace {

// Marks our objects, so that no other can be taken for one. Random numbers.
constexpr napi_type_tag kTokenizerTag = {0x5f1d7c3a9b2e4680ULL, 0x8c41e7d20b6f93a5ULL};

using TokenizerPointer = std::shared_ptr<const Tokenizer>;

napi_value encoding_to_js(napi_env env, PackedEncoding encoding, const EncodeOptions& options) {
  napi_value object = nullptr;
  napi_value null = nullptr;
  napi_value truncated = nullptr;
  if (napi_create_object(env, &object) != napi_ok || napi_get_null(env, &null) != napi_ok ||
      napi_create_int64(env, encoding.truncated, &truncated) != napi_ok) {
    return nullptr;
  }
  const auto set = [env, object](const char* key, napi_value value) {
    return value != nullptr && napi_set_named_property(env, object, key, value) == napi_ok;
  };
  const bool has_offsets = options.offsets != OffsetUnit::kNone;
  const bool complete =
      set("input_ids", take_ints(env, std::move(encoding.input_ids))) &&
      set("token_type_ids", take_ints(env, std::move(encoding.token_type_ids))) &&
      set("cu_seqlens", take_ints(env, std::move(encoding.cu_seqlens))) &&
      set("offsets", has_offsets ? take_ints(env, std::move(encoding.offsets)) : null) &&
      set("special_tokens_mask", options.special_tokens_mask
                                     ? take_bytes(env, std::move(encoding.special_tokens_mask))
                                     : null) &&
      set("truncated", truncated);
  return complete ? object : nullptr;
}

Status encode_all(const Tokenizer& tokenizer, const TextList& texts, const TextList* pairs,
                  const EncodeOptions& options, PackedEncoding& encoding) {
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::optional<std::string_view> pair =
        pairs != nullptr ? std::optional((*pairs)[i]) : std::nullopt;
    const Status status = tokenizer.encode(texts[i], pair, options, encoding);
    if (!status.ok()) {
      return Status(status.code(), "Text " + std::to_string(i) + ": " + status.message());
    }
  }
  return Status();
}

}  // namespace

Napi::Function TokenizerObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTokenizer",
      {InstanceMethod<&TokenizerObject::encode>("encode"),
       InstanceMethod<&TokenizerObject::token_to_id>("tokenToId"),
       InstanceMethod<&TokenizerObject::id_to_token>("idToToken"),
       InstanceMethod<&TokenizerObject::special_token_count>("specialTokenCount"),
       InstanceAccessor<&TokenizerObject::vocab_size>("vocabSize")});
}

TokenizerObject::TokenizerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TokenizerObject>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw_error(info.Env(), Status(StatusCode::kInvalidArgument, "Use createTokenizer()."));
    return;
  }
  tokenizer_ = *info[0].As<Napi::External<TokenizerPointer>>().Data();
  info.This().As<Napi::Object>().TypeTag(&kTokenizerTag);
}

Napi::Value TokenizerObject::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto tokenizer = std::make_shared<TokenizerPointer>();
  auto shared_spec = std::make_shared<TokenizerSpec>();
  const Status status = guarded([&]() -> Status {
    auto spec = to_tokenizer_spec(info[0]);
    if (spec.ok()) *shared_spec = std::move(spec.value());
    return spec.status();
  });
  if (!status.ok()) {
    throw_error(env, status);
    return env.Undefined();
  }
  const auto work = [tokenizer, shared_spec]() -> Status {
    auto created = Tokenizer::create(std::move(*shared_spec));
    if (!created.ok()) return created.status();
    *tokenizer = std::move(created.value());
    return Status();
  };
  const auto make_result = [tokenizer](napi_env result_env) -> napi_value {
    Environment* data = Environment::get(result_env);
    if (data == nullptr) return nullptr;
    return new_instance(result_env, data->tokenizer_constructor, tokenizer.get());
  };
  return Napi::Value(env, run_in_background(env, "fusebert:createTokenizer", work, make_result));
}

std::shared_ptr<const Tokenizer> TokenizerObject::unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTokenizerTag)) return nullptr;
  return Unwrap(value.As<Napi::Object>())->tokenizer_;
}

Napi::Value TokenizerObject::encode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  struct Call {
    TextList texts;
    TextList pairs;
    bool has_pairs = false;
    EncodeOptions options;
    PackedEncoding encoding;
  };
  auto call = std::make_shared<Call>();
  const Status status = guarded([&]() -> Status {
    auto texts = to_texts(info[0]);
    if (!texts.ok()) return texts.status();
    call->texts = std::move(texts.value());
    if (!info[1].IsNull()) {
      auto pairs = to_texts(info[1]);
      if (!pairs.ok()) return pairs.status();
      call->pairs = std::move(pairs.value());
      call->has_pairs = true;
      if (call->pairs.size() != call->texts.size()) {
        return Status(StatusCode::kInvalidArgument, "Expected as many pairs as texts.");
      }
    }
    auto options = to_encode_options(info[2]);
    if (!options.ok()) return options.status();
    call->options = options.value();
    return Status();
  });
  if (!status.ok()) {
    throw_error(env, status);
    return env.Undefined();
  }
  const TokenizerPointer tokenizer = tokenizer_;
  const auto work = [call, tokenizer]() -> Status {
    return encode_all(*tokenizer, call->texts, call->has_pairs ? &call->pairs : nullptr,
                      call->options, call->encoding);
  };
  const auto make_result = [call](napi_env result_env) {
    return encoding_to_js(result_env, std::move(call->encoding), call->options);
  };
  return Napi::Value(env, run_in_background(env, "fusebert:tokenize", work, make_result));
}

Napi::Value TokenizerObject::token_to_id(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(),
                           tokenizer_->token_to_id(info[0].As<Napi::String>().Utf8Value()));
}

Napi::Value TokenizerObject::id_to_token(const Napi::CallbackInfo& info) {
  const int32_t id = info[0].IsNumber() ? info[0].As<Napi::Number>().Int32Value() : -1;
  const std::string_view token = tokenizer_->id_to_token(id);
  return Napi::String::New(info.Env(), token.data(), token.size());
}

Napi::Value TokenizerObject::special_token_count(const Napi::CallbackInfo& info) {
  const bool pair = info[0].IsBoolean() && info[0].As<Napi::Boolean>().Value();
  return Napi::Number::New(info.Env(),
                           static_cast<double>(tokenizer_->special_token_count(pair)));
}

Napi::Value TokenizerObject::vocab_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(tokenizer_->vocab_size()));
}

}  // namespace fusebert::node
