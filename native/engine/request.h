// One call from a user, from submission to completion: texts or ids in, vectors out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "core/status.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

// Many texts in one allocation: UTF-8, end to end.
struct TextList {
  std::string bytes;
  std::vector<size_t> offsets{0};  // [texts + 1]

  size_t size() const { return offsets.size() - 1; }
  std::string_view operator[](size_t i) const {
    return std::string_view(bytes).substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

struct OutputOptions {
  Pooling pooling = Pooling::kNone;
  bool normalize = false;
  bool hidden_states = false;  // with pooling: `pooled`, without: `hidden_states`
  bool pooler_output = false;

  bool operator==(const OutputOptions&) const = default;
  bool wants_hidden_states() const { return hidden_states && pooling == Pooling::kNone; }
  bool wants_pooled() const { return hidden_states && pooling != Pooling::kNone; }
};

struct EncodeRequest {
  // Either texts with a tokenizer, or (tokenizer null) ids that are packed already.
  std::shared_ptr<const Tokenizer> tokenizer;
  TextList texts;
  EncodeOptions tokenizer_options;
  PackedEncoding encoded;
  OutputOptions output;
};

struct EncodeResult {
  Status status;
  std::vector<float> hidden_states;     // [total_tokens, hidden] when wanted
  std::vector<float> pooled;            // [sequences, hidden] when wanted
  std::vector<float> pooler_output;     // [sequences, hidden] when wanted
  std::vector<int32_t> cu_seqlens{0};   // [sequences + 1]
  int64_t truncated = 0;                // sequences that lost tokens
};

// Called exactly once, from the engine's thread or from stop().
using Completion = std::function<void(EncodeResult)>;

}  // namespace fusebert
