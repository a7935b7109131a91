// How many tokens of each text are kept (truncate_encodings of `tokenizers`).
#pragma once

#include <cstdint>
#include <optional>

#include "core/status.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

struct Kept {
  int64_t first = 0;
  int64_t second = 0;
};

// `first` and `second` are token counts, `max_tokens` what may remain without special tokens.
// kInputTooLong when the strategy cannot make it fit.
Result<Kept> truncate(Truncation strategy, int64_t first, std::optional<int64_t> second,
                      int64_t max_tokens);

}  // namespace fusebert
