// Between JavaScript values and the structs of the native code. Everything that comes from
// JavaScript is checked; what does not fit is kInvalidArgument.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "core/text_list.h"
#include "engine/request.h"
#include "model/geometry.h"
#include "model/pooled_layers.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace fusebert::node {

// Whether the value is a number without a fraction that JavaScript represents exactly.
bool is_integer(const Napi::Value& value, int64_t& integer);
// From { bytes: Uint8Array, offsets: Int32Array [texts + 1] }, whose memory the list refers to.
Result<TextList> to_texts(const Napi::Value& value);
Result<std::string> to_string(const Napi::Object& object, const char* key);
Result<bool> to_bool(const Napi::Object& object, const char* key);
Result<int64_t> to_int(const Napi::Object& object, const char* key);
// Of an Int32Array, whose memory it refers to.
Result<std::span<const int32_t>> view_of_ints(const Napi::Value& value, const char* name);
Result<std::vector<int32_t>> to_int32s(const Napi::Value& value, const char* name);

Result<TokenizerSpec> to_tokenizer_spec(const Napi::Value& value);
Result<EncodeOptions> to_encode_options(const Napi::Value& value);
Result<OutputOptions> to_output_options(const Napi::Value& value);
Result<Geometry> to_geometry(const Napi::Value& value);
Result<std::vector<PooledLayerSpec>> to_pooled_layers(const Napi::Value& value);
Result<std::vector<FileEntry>> to_files(const Napi::Value& value);
Result<std::vector<TensorEntry>> to_tensors(const Napi::Value& value);

}  // namespace fusebert::node
