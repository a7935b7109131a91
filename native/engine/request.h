// One call from a user, from submission to completion: texts or ids in, vectors out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "core/status.h"
#include "core/text_list.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

struct OutputOptions {
  Poolings pooling;
  int32_t skip_tokens = 0;     // as EncodeOutput says
  bool pooled_layers = false;  // the model's layers follow the pooling
  bool normalize = false;      // the last of all
  bool hidden_states = false;  // with pooling: `pooled`, without: `hidden_states`
  bool pooler_output = false;
  // Of the geometry's head: as EncodeOutput says.
  bool logits = false;
  int32_t top_logits = 0;
  int32_t head_token = kEveryToken;

  bool operator==(const OutputOptions&) const = default;
  bool wants_hidden_states() const { return hidden_states && pooling.count == 0; }
  bool wants_pooled() const { return hidden_states && pooling.count != 0; }
  // Whether anything happens to pooled vectors that the backend does not do.
  bool wants_pooled_layers() const {
    return wants_pooled() && (pooled_layers || (normalize && pooling.count > 1));
  }
  bool wants_head() const { return logits || top_logits != 0; }
  // Whether the head's rows are those of one token.
  bool wants_token(const Head& head) const {
    return wants_head() && head.rows == HeadRows::kAll && head_token != kEveryToken;
  }
};

struct EncodeRequest {
  // Either texts with a tokenizer, or (tokenizer null) ids that are packed already.
  std::shared_ptr<const Tokenizer> tokenizer;
  TextList texts;  // not looked at once the request is complete
  EncodeOptions tokenizer_options;
  PackedEncoding encoded;
  OutputOptions output;
};

struct EncodeResult {
  Status status;
  std::vector<float> hidden_states;     // [total_tokens, hidden] when wanted
  // [sequences, pooling.count · hidden], or what the pooled layers put out, when wanted.
  std::vector<float> pooled;
  std::vector<float> pooler_output;     // [sequences, hidden] when wanted
  std::vector<float> logits;            // [rows, outputs] when wanted
  std::vector<int32_t> top_columns;     // [rows, top_logits] when wanted; see TopLogits
  std::vector<float> top_values;        // [rows, top_logits]
  std::vector<float> log_sum_exp;       // [rows]
  // [rows], which of all tokens they are; when the rows are those of one token.
  std::vector<int32_t> head_tokens;
  std::vector<int32_t> cu_seqlens{0};   // [sequences + 1]
  int64_t truncated = 0;                // sequences that lost tokens
};

// Called exactly once, from the engine's thread.
using Completion = std::function<void(EncodeResult)>;

}  // namespace fusebert
