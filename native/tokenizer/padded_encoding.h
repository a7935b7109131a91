// From a packed encoding to rows of one length, in the 64-bit integers that models are fed with
// elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "tokenizer/batch_encoder.h"

namespace fusebert {

struct PaddedLayout {
  bool padding = false;   // without it all sequences must have the same length
  int64_t length = 0;     // tokens of a row at least; longer sequences make all rows longer
  int32_t pad_token_id = 0;
  bool token_type_ids = true;
};

struct PaddedEncoding {
  int64_t rows = 0;
  int64_t columns = 0;
  LargeVector<int64_t> input_ids;            // [rows, columns]
  LargeVector<int64_t> attention_mask;       // [rows, columns] 1: a token, 0: padding
  LargeVector<int64_t> token_type_ids;       // [rows, columns] when asked for
  LargeVector<int64_t> special_tokens_mask;  // [rows, columns] 1 in padding; when asked for
  LargeVector<int32_t> offsets;              // [rows, columns, 2] when asked for
  std::vector<int64_t> samples;              // [rows] where overflowing ones are wanted
};

// `options` are those of the encoding. kInvalidArgument for sequences of different lengths without
// padding, and for more elements than any real batch has.
Result<PaddedEncoding> pad(const BatchEncoding& encoding, const EncodeOptions& options,
                           const PaddedLayout& layout);

}  // namespace fusebert
