// Objects of typed arrays that take over the encoding's memory.
#include "napi/encodings.h"

#include <limits>
#include <utility>

#include "napi/convert.h"
#include "napi/object_maker.h"

namespace fusebert::node {

Status EncodingResult::set(BatchEncoding encoding) {
  encoding_ = std::move(encoding);
  if (!layout_.has_value()) return Status();
  auto padded = pad(encoding_, options_, *layout_);
  if (!padded.ok()) return padded.status();
  padded_ = std::move(padded.value());
  encoding_ = BatchEncoding();
  return Status();
}

napi_value EncodingResult::to_js(napi_env env) {
  return layout_.has_value() ? padded_to_js(env) : packed_to_js(env);
}

napi_value EncodingResult::packed_to_js(napi_env env) {
  PackedEncoding& packed = encoding_.packed;
  ObjectMaker maker(env);
  if (packed.token_type_ids.empty()) {
    maker.set_zeros<int32_t>("token_type_ids", packed.input_ids.size());
  } else {
    maker.set("token_type_ids", true, packed.token_type_ids);
  }
  maker.set("input_ids", true, packed.input_ids);
  maker.set("cu_seqlens", true, packed.cu_seqlens);
  maker.set("offsets", options_.offsets != OffsetUnit::kNone, packed.offsets);
  maker.set("special_tokens_mask", options_.special_tokens_mask, packed.special_tokens_mask);
  maker.set("samples", options_.overflowing, encoding_.samples);
  maker.set("truncated", packed.truncated);
  return maker.object();
}

napi_value EncodingResult::padded_to_js(napi_env env) {
  ObjectMaker maker(env);
  maker.set("rows", padded_.rows);
  maker.set("columns", padded_.columns);
  maker.set("input_ids", true, padded_.input_ids);
  maker.set("attention_mask", true, padded_.attention_mask);
  maker.set("token_type_ids", layout_->token_type_ids, padded_.token_type_ids);
  maker.set("special_tokens_mask", options_.special_tokens_mask, padded_.special_tokens_mask);
  maker.set("offsets", options_.offsets != OffsetUnit::kNone, padded_.offsets);
  maker.set("samples", options_.overflowing, padded_.samples);
  return maker.object();
}

Result<std::optional<PaddedLayout>> to_layout(const Napi::Value& value) {
  if (value.IsNull()) return std::optional<PaddedLayout>();
  if (!value.IsObject()) {
    return Status(StatusCode::kInvalidArgument, "Expected null or an object for layout.");
  }
  const auto object = value.As<Napi::Object>();
  const auto padding = to_bool(object, "padding");
  if (!padding.ok()) return padding.status();
  const auto types = to_bool(object, "token_type_ids");
  if (!types.ok()) return types.status();
  const auto length = to_int(object, "length");
  if (!length.ok()) return length.status();
  const auto pad_token_id = to_int(object, "pad_token_id");
  if (!pad_token_id.ok()) return pad_token_id.status();
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (length.value() < 0 || length.value() > kMost || pad_token_id.value() < 0 ||
      pad_token_id.value() > kMost) {
    return Status(StatusCode::kInvalidArgument, "Expected 0 to 2^31 - 1 in layout.");
  }
  return std::optional(PaddedLayout{padding.value(), length.value(),
                                    static_cast<int32_t>(pad_token_id.value()), types.value()});
}

}  // namespace fusebert::node
