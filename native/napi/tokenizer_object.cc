// JavaScript's NativeTokenizer over fusebert::Tokenizer.
#include "napi/tokenizer_object.h"

#include <algorithm>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "napi/background.h"
#include "napi/convert.h"
#include "napi/environment.h"
#include "napi/errors.h"

namespace fusebert::node {
namespace {

// Marks our objects, so that no other can be taken for one. Random numbers.
constexpr napi_type_tag kTokenizerTag = {0x5f1d7c3a9b2e4680ULL, 0x8c41e7d20b6f93a5ULL};

using TokenizerPointer = std::shared_ptr<const Tokenizer>;

// Texts and options of a call, and what comes out of it.
struct Call {
  TextList texts;
  TextList pairs;
  bool has_pairs = false;
  EncodeOptions options;
  PackedEncoding encoding;
  std::vector<int32_t> samples;  // [sequences] the text of each, where overflowing ones are wanted
  std::vector<int32_t> counts;   // [texts]
};

// Arguments: texts, pairs or null, options.
Status read_call(const Napi::CallbackInfo& info, Call& call) {
  auto texts = to_texts(info[0]);
  if (!texts.ok()) return texts.status();
  call.texts = std::move(texts.value());
  if (!info[1].IsNull()) {
    auto pairs = to_texts(info[1]);
    if (!pairs.ok()) return pairs.status();
    call.pairs = std::move(pairs.value());
    call.has_pairs = true;
    if (call.pairs.size() != call.texts.size()) {
      return Status(StatusCode::kInvalidArgument, "Expected as many pairs as texts.");
    }
  }
  auto options = to_encode_options(info[2]);
  if (!options.ok()) return options.status();
  call.options = options.value();
  return Status();
}

napi_value encoding_to_js(napi_env env, Call& call) {
  PackedEncoding& encoding = call.encoding;
  const EncodeOptions& options = call.options;
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
      set("samples", options.overflowing ? take_ints(env, std::move(call.samples)) : null) &&
      set("truncated", truncated);
  return complete ? object : nullptr;
}

// Does something with each text and its pair, if there are pairs.
template <typename OnText>
Status for_each_text(const Call& call, OnText&& on_text) {
  for (size_t i = 0; i < call.texts.size(); ++i) {
    const std::optional<std::string_view> pair =
        call.has_pairs ? std::optional(call.pairs[i]) : std::nullopt;
    const Status status = on_text(call.texts[i], pair);
    if (!status.ok()) {
      return Status(status.code(), "Text " + std::to_string(i) + ": " + status.message());
    }
  }
  return Status();
}

// Room for what the rest of the texts will take if it is like the first `read` bytes of `total`.
// Memory that is new to the process costs as much as the tokens in it, and growing step by step
// takes twice as much of it.
void reserve_rest(PackedEncoding& encoding, size_t read, size_t total) {
  constexpr double kMargin = 1.1;
  // A guess may be far too high: texts that are cut are shorter than what was read of them.
  constexpr double kMost = 64 << 20;
  if (read == total) return;
  const double factor = kMargin * static_cast<double>(total) / static_cast<double>(read);
  const auto reserve = [&](auto& values) {
    const double guess = static_cast<double>(values.size()) * factor;
    values.reserve(static_cast<size_t>(std::min(guess, kMost)));
  };
  try {
    reserve(encoding.input_ids);
    reserve(encoding.token_type_ids);
    reserve(encoding.offsets);
    reserve(encoding.special_tokens_mask);
  } catch (const std::bad_alloc&) {
    // What is really needed may fit.
  }
}

Status encode_all(const Tokenizer& tokenizer, Call& call) {
  constexpr size_t kSampleBytes = size_t{1} << 16;
  const auto bytes_of = [](const TextList& list) {
    return list.offsets.back() - list.offsets.front();
  };
  const size_t total = bytes_of(call.texts) + bytes_of(call.pairs);
  size_t read = 0;
  int32_t sample = 0;
  return for_each_text(call, [&](std::string_view text, std::optional<std::string_view> pair) {
    const Status status = tokenizer.encode(text, pair, call.options, call.encoding);
    const bool sampled = read >= kSampleBytes;
    read += text.size() + pair.value_or("").size();
    if (!sampled && read >= kSampleBytes) reserve_rest(call.encoding, read, total);
    if (call.options.overflowing) call.samples.resize(call.encoding.cu_seqlens.size() - 1, sample);
    ++sample;
    return status;
  });
}

Status count_all(const Tokenizer& tokenizer, Call& call) {
  return for_each_text(call, [&](std::string_view text, std::optional<std::string_view> pair) {
    const auto count = tokenizer.count(text, pair, call.options);
    if (count.ok()) call.counts.push_back(static_cast<int32_t>(count.value()));
    return count.status();
  });
}

// Sequences of ids and what becomes of them.
struct DecodeCall {
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens;
  DecodeOptions options;
  std::vector<std::string> texts;
};

// Arguments: ids, cu_seqlens, { skip_special_tokens, clean_up_tokenization_spaces }.
Status read_decode_call(const Napi::CallbackInfo& info, DecodeCall& call) {
  auto ids = to_int32s(info[0], "ids");
  if (!ids.ok()) return ids.status();
  auto cu_seqlens = to_int32s(info[1], "cu_seqlens");
  if (!cu_seqlens.ok()) return cu_seqlens.status();
  call.ids = std::move(ids.value());
  call.cu_seqlens = std::move(cu_seqlens.value());
  const std::vector<int32_t>& ends = call.cu_seqlens;
  if (ends.empty() || ends.front() < 0 || static_cast<size_t>(ends.back()) > call.ids.size() ||
      !std::is_sorted(ends.begin(), ends.end())) {
    return Status(StatusCode::kInvalidArgument, "Expected ascending offsets into ids.");
  }
  if (!info[2].IsObject()) return Status(StatusCode::kInvalidArgument, "Expected options.");
  const auto object = info[2].As<Napi::Object>();
  const auto skip = to_bool(object, "skip_special_tokens");
  if (!skip.ok()) return skip.status();
  const auto clean_up = to_bool(object, "clean_up_tokenization_spaces");
  if (!clean_up.ok()) return clean_up.status();
  call.options = {skip.value(), clean_up.value()};
  return Status();
}

napi_value strings_to_js(napi_env env, const std::vector<std::string>& texts) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, texts.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < texts.size(); ++i) {
    const Napi::HandleScope scope(env);
    napi_value text = nullptr;
    if (napi_create_string_utf8(env, texts[i].data(), texts[i].size(), &text) != napi_ok ||
        napi_set_element(env, array, i, text) != napi_ok) {
      return nullptr;
    }
  }
  return array;
}

Napi::Value refuse(Napi::Env env, const Status& status) {
  throw_error(env, status);
  return env.Undefined();
}

}  // namespace

Napi::Function TokenizerObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTokenizer",
      {InstanceMethod<&TokenizerObject::encode>("encode"),
       InstanceMethod<&TokenizerObject::count>("count"),
       InstanceMethod<&TokenizerObject::decode>("decode"),
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

Napi::Value TokenizerObject::encode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto call = std::make_shared<Call>();
  const Status status = guarded([&]() -> Status { return read_call(info, *call); });
  if (!status.ok()) return refuse(env, status);
  const TokenizerPointer tokenizer = tokenizer_;
  const auto work = [call, tokenizer]() -> Status { return encode_all(*tokenizer, *call); };
  const auto make_result = [call](napi_env result_env) {
    return encoding_to_js(result_env, *call);
  };
  return Napi::Value(env, run_in_background(env, "fusebert:tokenize", work, make_result));
}

Napi::Value TokenizerObject::count(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto call = std::make_shared<Call>();
  const Status status = guarded([&]() -> Status { return read_call(info, *call); });
  if (!status.ok()) return refuse(env, status);
  const TokenizerPointer tokenizer = tokenizer_;
  const auto work = [call, tokenizer]() -> Status { return count_all(*tokenizer, *call); };
  const auto make_result = [call](napi_env result_env) {
    return take_ints(result_env, std::move(call->counts));
  };
  return Napi::Value(env, run_in_background(env, "fusebert:count", work, make_result));
}

Napi::Value TokenizerObject::decode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto call = std::make_shared<DecodeCall>();
  const Status status = guarded([&]() -> Status { return read_decode_call(info, *call); });
  if (!status.ok()) return refuse(env, status);
  const TokenizerPointer tokenizer = tokenizer_;
  const auto work = [call, tokenizer]() -> Status {
    for (size_t i = 0; i + 1 < call->cu_seqlens.size(); ++i) {
      const auto begin = static_cast<size_t>(call->cu_seqlens[i]);
      const auto end = static_cast<size_t>(call->cu_seqlens[i + 1]);
      const std::span<const int32_t> ids = std::span<const int32_t>(call->ids);
      call->texts.push_back(tokenizer->decode(ids.subspan(begin, end - begin), call->options));
    }
    return Status();
  };
  const auto make_result = [call](napi_env result_env) {
    return strings_to_js(result_env, call->texts);
  };
  return Napi::Value(env, run_in_background(env, "fusebert:decode", work, make_result));
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
