// Where encoding a text ends, as the reference counts: after the word with which the limit is
// reached.
#pragma once

#include <cstdint>

#include "tokenizer/text_encoder.h"

namespace fusebert {

class SequenceLimit {
 public:
  SequenceLimit(const SequenceOptions& options, const TokenBuffer& tokens)
      : options_(options), tokens_(tokens) {}

  // After each word. False: no more text is needed.
  bool go_on() {
    const auto count = static_cast<int64_t>(tokens_.size());
    if (count < options_.limit) return true;
    if (counted_ < 0) counted_ = count;
    return options_.to_the_end || count <= options_.limit;
  }

  // The reference does not look at the limit after an added token.
  bool go_on_after_added() const { return options_.to_the_end || counted_ < 0; }

  // What the reference counts as the text's length.
  int64_t counted() const {
    return counted_ < 0 ? static_cast<int64_t>(tokens_.size()) : counted_;
  }

 private:
  SequenceOptions options_;
  const TokenBuffer& tokens_;
  int64_t counted_ = -1;
};

}  // namespace fusebert
