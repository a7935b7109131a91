// JavaScript's NativeTokenizer over fusebert::Tokenizer.
#include "napi/tokenizer_object.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "napi/background.h"
#include "napi/batch_object.h"
#include "napi/convert.h"
#include "napi/encodings.h"
#include "napi/environment.h"
#include "napi/errors.h"
#include "napi/held.h"
#include "napi/lanes.h"
#include "napi/take_array.h"

namespace fusebert::node {
namespace {

// Marks our objects, so that no other can be taken for one. Random numbers.
constexpr napi_type_tag kTokenizerTag = {0x5f1d7c3a9b2e4680ULL, 0x8c41e7d20b6f93a5ULL};

using TokenizerPointer = std::shared_ptr<const Tokenizer>;

// Sequences of ids and what becomes of them.
struct DecodeCall {
  HeldInts ids;
  HeldInts cu_seqlens;
  DecodeOptions options;
  std::vector<std::string> texts;
};

// Sequences of tokens, each by its text, and what becomes of them.
struct DecodeTokensCall {
  HeldTexts tokens;
  HeldInts cu_seqlens;
  std::vector<std::string> texts;
};

// Where sequences begin among `count` ids or tokens, and where the last one ends.
Status hold_sequences(const Napi::Value& value, size_t count, HeldInts& cu_seqlens) {
  FUSEBERT_RETURN_IF_ERROR(hold_ints(value, "cu_seqlens", cu_seqlens));
  const std::span<const int32_t> ends = cu_seqlens.values;
  if (ends.empty() || ends.front() < 0 || static_cast<size_t>(ends.back()) > count ||
      !std::is_sorted(ends.begin(), ends.end())) {
    return Status(StatusCode::kInvalidArgument, "Expected ascending offsets into ids.");
  }
  return Status();
}

// The part of `all` that is sequence i.
template <typename T>
std::span<const T> sequence(std::span<const T> all, std::span<const int32_t> ends, size_t i) {
  const auto begin = static_cast<size_t>(ends[i]);
  return all.subspan(begin, static_cast<size_t>(ends[i + 1]) - begin);
}

// Arguments: ids, cu_seqlens, { skip_special_tokens, clean_up_tokenization_spaces }.
Status read_decode_call(const Napi::CallbackInfo& info, DecodeCall& call) {
  FUSEBERT_RETURN_IF_ERROR(hold_ints(info[0], "ids", call.ids));
  FUSEBERT_RETURN_IF_ERROR(hold_sequences(info[1], call.ids.values.size(), call.cu_seqlens));
  if (!info[2].IsObject()) return Status(StatusCode::kInvalidArgument, "Expected options.");
  const auto object = info[2].As<Napi::Object>();
  const auto skip = to_bool(object, "skip_special_tokens");
  if (!skip.ok()) return skip.status();
  const auto clean_up = to_bool(object, "clean_up_tokenization_spaces");
  if (!clean_up.ok()) return clean_up.status();
  call.options = {skip.value(), clean_up.value()};
  return Status();
}

// A long text stays UTF-8: making a string of it would take too long for this thread.
napi_value text_to_js(napi_env env, std::string text) {
  constexpr size_t kLongestString = size_t{1} << 16;
  if (text.size() > kLongestString) return take_array(env, std::move(text));
  napi_value string = nullptr;
  const napi_status status = napi_create_string_utf8(env, text.data(), text.size(), &string);
  return status == napi_ok ? string : nullptr;
}

napi_value texts_to_js(napi_env env, std::vector<std::string> texts) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, texts.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < texts.size(); ++i) {
    const Napi::HandleScope scope(env);
    const napi_value text = text_to_js(env, std::move(texts[i]));
    if (text == nullptr || napi_set_element(env, array, i, text) != napi_ok) return nullptr;
  }
  return array;
}

Napi::Value run(Napi::Env env, const char* name, bool at_once, const std::function<Status()>& work,
                const std::function<napi_value(napi_env)>& make_result) {
  return Napi::Value(env, at_once ? run_at_once(env, work, make_result)
                                  : run_in_background(env, name, work, make_result));
}

}  // namespace

Napi::Function TokenizerObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTokenizer",
      {InstanceMethod<&TokenizerObject::call<&TokenizerObject::encode, false>>("encode"),
       InstanceMethod<&TokenizerObject::call<&TokenizerObject::encode, true>>("encodeSync"),
       InstanceMethod<&TokenizerObject::start_batch>("startBatch"),
       InstanceMethod<&TokenizerObject::call<&TokenizerObject::count, false>>("count"),
       InstanceMethod<&TokenizerObject::call<&TokenizerObject::count, true>>("countSync"),
       InstanceMethod<&TokenizerObject::call<&TokenizerObject::decode, false>>("decode"),
       InstanceMethod<&TokenizerObject::call<&TokenizerObject::decode, true>>("decodeSync"),
       InstanceMethod<&TokenizerObject::decode_tokens>("decodeTokens"),
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
  if (!status.ok()) return refuse(env, status);
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

Napi::Value TokenizerObject::encode(const Napi::CallbackInfo& info, bool at_once) {
  const Napi::Env env = info.Env();
  std::shared_ptr<HeldPart> held;
  std::shared_ptr<EncodingResult> result;
  const Status status = guarded([&]() -> Status {
    auto part = hold_part(info[0], info[1], 0);
    if (!part.ok()) return part.status();
    held = std::move(part.value());
    const auto options = to_encode_options(info[2]);
    if (!options.ok()) return options.status();
    const auto layout = to_layout(at_once ? info.Env().Null() : info[3]);
    if (!layout.ok()) return layout.status();
    result = std::make_shared<EncodingResult>(options.value(), layout.value());
    return Status();
  });
  if (!status.ok()) return refuse(env, status);
  const auto work = [held, result, tokenizer = tokenizer_]() -> Status {
    BatchEncoder batch(tokenizer, result->options(), held->part.size_bytes());
    FUSEBERT_RETURN_IF_ERROR(batch.encode(0, held->part));
    return result->set(batch.take());
  };
  const auto make_result = [result](napi_env result_env) { return result->to_js(result_env); };
  return run(env, "fusebert:tokenize", at_once, work, make_result);
}

Napi::Value TokenizerObject::start_batch(const Napi::CallbackInfo& info) {
  return BatchObject::start(info, tokenizer_);
}

Napi::Value TokenizerObject::count(const Napi::CallbackInfo& info, bool at_once) {
  const Napi::Env env = info.Env();
  std::shared_ptr<HeldPart> held;
  std::shared_ptr<Lanes> lanes;
  EncodeOptions options;
  const Status status = guarded([&]() -> Status {
    int64_t first_text = 0;
    if (!is_integer(info[3], first_text)) {
      return Status(StatusCode::kInvalidArgument, "Expected the number of the first text.");
    }
    auto part = hold_part(info[0], info[1], first_text);
    if (!part.ok()) return part.status();
    held = std::move(part.value());
    const auto read = to_encode_options(info[2]);
    if (!read.ok()) return read.status();
    options = read.value();
    if (at_once) return Status();
    auto given = Lanes::from_js(info[4]);
    if (given.ok()) lanes = std::move(given.value());
    return given.status();
  });
  if (!status.ok()) return refuse(env, status);
  const auto counts = std::make_shared<std::vector<int32_t>>();
  const auto work = [held, options, counts, tokenizer = tokenizer_]() -> Status {
    Tokenizer::Session session(*tokenizer);
    return held->part.for_each([&](std::string_view text, std::optional<std::string_view> pair) {
      const auto count = session.count(text, pair, options);
      if (count.ok()) counts->push_back(static_cast<int32_t>(count.value()));
      return count.status();
    });
  };
  const auto make_result = [counts](napi_env result_env) {
    return take_array(result_env, std::move(*counts));
  };
  return Napi::Value(env, at_once ? run_at_once(env, work, make_result)
                                  : lanes->run(env, work, make_result));
}

Napi::Value TokenizerObject::decode(const Napi::CallbackInfo& info, bool at_once) {
  const Napi::Env env = info.Env();
  auto call = std::make_shared<DecodeCall>();
  const Status status = guarded([&]() -> Status { return read_decode_call(info, *call); });
  if (!status.ok()) return refuse(env, status);
  const auto work = [call, tokenizer = tokenizer_]() -> Status {
    const std::span<const int32_t> ends = call->cu_seqlens.values;
    for (size_t i = 0; i + 1 < ends.size(); ++i) {
      call->texts.push_back(
          tokenizer->decode(sequence(call->ids.values, ends, i), call->options));
    }
    return Status();
  };
  const auto make_result = [call](napi_env result_env) {
    return texts_to_js(result_env, std::move(call->texts));
  };
  return run(env, "fusebert:decode", at_once, work, make_result);
}

// Arguments: tokens, cu_seqlens.
Napi::Value TokenizerObject::decode_tokens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto call = std::make_shared<DecodeTokensCall>();
  const Status status = guarded([&]() -> Status {
    FUSEBERT_RETURN_IF_ERROR(hold_texts(info[0], call->tokens));
    return hold_sequences(info[1], call->tokens.list.size(), call->cu_seqlens);
  });
  if (!status.ok()) return refuse(env, status);
  const auto work = [call, tokenizer = tokenizer_]() -> Status {
    const std::span<const int32_t> ends = call->cu_seqlens.values;
    std::vector<std::string_view> tokens;
    for (size_t i = 0; i < call->tokens.list.size(); ++i) tokens.push_back(call->tokens.list[i]);
    const std::span<const std::string_view> all = tokens;
    for (size_t i = 0; i + 1 < ends.size(); ++i) {
      call->texts.push_back(tokenizer->decode_tokens(sequence(all, ends, i)));
    }
    return Status();
  };
  const auto make_result = [call](napi_env result_env) {
    return texts_to_js(result_env, std::move(call->texts));
  };
  return Napi::Value(env, run_in_background(env, "fusebert:decodeTokens", work, make_result));
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
