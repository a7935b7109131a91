// What the arguments of a call refer to, kept alive until the call is done. These live and die on
// the JavaScript thread; what they refer to may be read on any.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <span>

#include "core/status.h"
#include "core/text_list.h"
#include "tokenizer/batch_encoder.h"

namespace fusebert::node {

// { bytes, offsets }. The arrays must be ones that no code of a user can reach: it could change
// them, or detach their memory.
struct HeldTexts {
  TextList list;
  Napi::ObjectReference bytes;
  Napi::ObjectReference offsets;
};

struct HeldPart {
  TextPart part;
  HeldTexts texts;
  HeldTexts pairs;
};

// An Int32Array, as HeldTexts has them.
struct HeldInts {
  std::span<const int32_t> values;
  Napi::ObjectReference array;
};

// kInvalidArgument for values of other types, and for offsets outside the bytes.
Status hold_texts(const Napi::Value& value, HeldTexts& held);
// Texts, and as many pairs or null.
Result<std::shared_ptr<HeldPart>> hold_part(const Napi::Value& texts, const Napi::Value& pairs,
                                            int64_t first_text);
Status hold_ints(const Napi::Value& value, const char* name, HeldInts& held);

}  // namespace fusebert::node
