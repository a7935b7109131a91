// What may stand on an encoder: from hidden states to logits, for the tokens that need them.
//
//   rows → [dense → activation] → [LayerNorm] → linear
//
// | task                               | rows  | dense      | LayerNorm | outputs    |
// |------------------------------------|-------|------------|-----------|------------|
// | sequence classification            | first | tanh       |           | labels     |
// | next sentence                      | first | tanh       |           | 2          |
// | token classification               | all   |            |           | labels     |
// | question answering                 | all   |            |           | 2          |
// | masked words                       | all   | hidden_act | yes       | vocabulary |
// | masked words of RoBERTa, ELECTRA   | all   | gelu       | yes       | vocabulary |
// | sequences, of ELECTRA              | first | gelu       |           | labels     |
// | sequences, of DistilBERT           | first | relu       |           | labels     |
//
// Its tensors are head.dense.{weight,bias}, head.LayerNorm.{weight,bias} and
// head.output.{weight,bias}.
#pragma once

#include <cstdint>
#include <vector>

#include "core/packed_batch.h"

namespace fusebert {

enum class HeadRows {
  kFirst,  // the first token of each sequence
  kAll,    // every token, or those that hold one id
};

enum class HeadDense { kNone, kTanh, kGelu, kRelu, kHiddenAct };

struct Head {
  HeadRows rows = HeadRows::kFirst;
  HeadDense dense = HeadDense::kNone;  // [hidden_size, hidden_size], and what follows it
  bool layer_norm = false;
  // The last linear's weight is embeddings.word_embeddings.weight, and head.output.weight is not
  // there.
  bool tied = false;
  int64_t outputs = 0;  // columns of the logits

  const char* output_weight() const {
    return tied ? "embeddings.word_embeddings.weight" : "head.output.weight";
  }
};

// No token: a head of all rows is not restricted to those of one.
inline constexpr int32_t kEveryToken = -1;

// How many rows of the batch go through the head: with HeadRows::kAll only tokens whose id is
// `token`, unless that is kEveryToken.
int64_t count_head_rows(const Head& head, const PackedBatch& batch, int32_t token);

// The same of one sequence of the batch.
int64_t count_head_rows_of(const Head& head, const PackedBatch& batch, int64_t sequence,
                           int32_t token);

// These rows, as indices of tokens in rising order. `rows` is filled anew.
void list_head_rows(const Head& head, const PackedBatch& batch, int32_t token,
                    std::vector<int32_t>& rows);

}  // namespace fusebert
