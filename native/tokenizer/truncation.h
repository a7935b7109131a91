// How many tokens of each text are kept (truncate_encodings of `tokenizers`).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

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

// Tokens of a text that go into one sequence.
struct Window {
  int64_t begin = 0;
  int64_t count = 0;
};

struct WindowPair {
  Window first;
  Window second;
};

struct TextLengths {
  int64_t first = 0;
  int64_t second = 0;
};

// Appends what truncation to `kept` leaves over: windows as long as what is kept, each of which
// repeats `stride` tokens of the one before (Encoding::truncate and merge_with of `tokenizers`).
// Where both texts are cut, each window of the one is combined with each of the other.
// kInvalidArgument when a window would not be longer than what it repeats.
Status add_overflowing(const Kept& kept, const TextLengths& lengths, int64_t stride,
                       std::vector<WindowPair>& windows);

}  // namespace fusebert
