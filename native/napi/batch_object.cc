// JavaScript's NativeBatch over fusebert::BatchEncoder.
#include "napi/batch_object.h"

#include <algorithm>
#include <utility>

#include "napi/background.h"
#include "napi/convert.h"
#include "napi/encodings.h"
#include "napi/environment.h"
#include "napi/errors.h"
#include "napi/held.h"

namespace fusebert::node {

struct BatchObject::Start {
  EncodeOptions options;
  std::optional<PaddedLayout> layout;
  std::shared_ptr<BatchEncoder> encoder;
  std::shared_ptr<Lanes> lanes;
};

Napi::Function BatchObject::define(Napi::Env env) {
  return DefineClass(env, "NativeBatch",
                     {InstanceMethod<&BatchObject::add>("add"),
                      InstanceMethod<&BatchObject::finish>("finish")});
}

Napi::Value BatchObject::start(const Napi::CallbackInfo& info,
                               const std::shared_ptr<const Tokenizer>& tokenizer) {
  const Napi::Env env = info.Env();
  Start start;
  const Status status = guarded([&]() -> Status {
    const auto options = to_encode_options(info[0]);
    if (!options.ok()) return options.status();
    const auto layout = to_layout(info[1]);
    if (!layout.ok()) return layout.status();
    int64_t expected_bytes = 0;
    if (!is_integer(info[2], expected_bytes)) {
      return Status(StatusCode::kInvalidArgument, "Expected a number of bytes.");
    }
    auto lanes = Lanes::from_js(info[3]);
    if (!lanes.ok()) return lanes.status();
    start.lanes = std::move(lanes.value());
    start.options = options.value();
    start.layout = layout.value();
    start.encoder = std::make_shared<BatchEncoder>(
        tokenizer, options.value(), static_cast<size_t>(std::max<int64_t>(expected_bytes, 0)));
    return Status();
  });
  if (!status.ok()) return refuse(env, status);
  Environment* data = Environment::get(env);
  if (data == nullptr) return env.Undefined();
  return Napi::Value(env, new_instance(env, data->batch_constructor, &start));
}

BatchObject::BatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BatchObject>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw_error(info.Env(), Status(StatusCode::kInvalidArgument, "Use startBatch()."));
    return;
  }
  const Start& start = *info[0].As<Napi::External<Start>>().Data();
  options_ = start.options;
  layout_ = start.layout;
  encoder_ = start.encoder;
  lanes_ = start.lanes;
}

Napi::Value BatchObject::add(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<HeldPart> held;
  const Status status = guarded([&]() -> Status {
    if (encoder_ == nullptr) return Status(StatusCode::kDisposed, "The batch is finished.");
    auto part = hold_part(info[0], info[1], texts_);
    if (part.ok()) held = std::move(part.value());
    return part.status();
  });
  if (!status.ok()) return refuse(env, status);
  const int64_t index = parts_++;
  texts_ += static_cast<int64_t>(held->part.texts.size());
  // Counts down when the closure goes, whatever became of the part.
  ++*under_way_;
  const std::shared_ptr<void> done(nullptr, [under_way = under_way_](void*) { --*under_way; });
  const auto work = [held, index, encoder = encoder_]() -> Status {
    return encoder->encode(index, held->part);
  };
  const auto make_result = [done](napi_env result_env) { return make_undefined(result_env); };
  return Napi::Value(env, lanes_->run(env, work, make_result));
}

Napi::Value BatchObject::finish(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (encoder_ == nullptr || *under_way_ > 0) {
    return refuse(env, Status(StatusCode::kInternal, "Expected a batch whose parts are done."));
  }
  const auto result = std::make_shared<EncodingResult>(options_, layout_);
  const auto work = [result, encoder = std::exchange(encoder_, nullptr)]() -> Status {
    return result->set(encoder->take());
  };
  const auto make_result = [result](napi_env result_env) { return result->to_js(result_env); };
  // Packed, all is done already.
  if (!layout_.has_value()) return Napi::Value(env, run_at_once(env, work, make_result));
  return Napi::Value(env, run_in_background(env, "fusebert:tokenize", work, make_result));
}

}  // namespace fusebert::node
