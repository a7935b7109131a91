// References to the typed arrays of a call.
#include "napi/held.h"

#include "napi/convert.h"

namespace fusebert::node {

Status hold_texts(const Napi::Value& value, HeldTexts& held) {
  const Result<TextList> list = to_texts(value);
  if (!list.ok()) return list.status();
  held.list = list.value();
  const auto object = value.As<Napi::Object>();
  held.bytes = Napi::Persistent(object.Get("bytes").As<Napi::Object>());
  held.offsets = Napi::Persistent(object.Get("offsets").As<Napi::Object>());
  return Status();
}

Result<std::shared_ptr<HeldPart>> hold_part(const Napi::Value& texts, const Napi::Value& pairs,
                                            int64_t first_text) {
  auto held = std::make_shared<HeldPart>();
  FUSEBERT_RETURN_IF_ERROR(hold_texts(texts, held->texts));
  held->part.texts = held->texts.list;
  held->part.first_text = first_text;
  if (pairs.IsNull()) return held;
  FUSEBERT_RETURN_IF_ERROR(hold_texts(pairs, held->pairs));
  if (held->pairs.list.size() != held->texts.list.size()) {
    return Status(StatusCode::kInvalidArgument, "Expected as many pairs as texts.");
  }
  held->part.pairs = held->pairs.list;
  return held;
}

Status hold_ints(const Napi::Value& value, const char* name, HeldInts& held) {
  const Result<std::span<const int32_t>> values = view_of_ints(value, name);
  if (!values.ok()) return values.status();
  held.values = values.value();
  held.array = Napi::Persistent(value.As<Napi::Object>());
  return Status();
}

}  // namespace fusebert::node
