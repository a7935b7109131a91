// Every kind of head for the tests of backends, and what came of a batch.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/kernel_test_support.h"
#include "cpu/reference_bert.h"
#include "cpu/test_batch.h"

namespace fusebert::cpu {

struct NamedHead {
  std::string name;
  Head head;
};

// Of a model with this vocabulary, for the tied one.
inline std::vector<NamedHead> every_head(int64_t vocab_size) {
  const auto first = HeadRows::kFirst, all = HeadRows::kAll;
  const auto none = HeadDense::kNone, tanh = HeadDense::kTanh, act = HeadDense::kHiddenAct;
  const auto gelu = HeadDense::kGelu;
  return {{"sequence classification", {first, tanh, false, false, 5}},
          {"next sentence", {first, tanh, false, false, 2}},
          {"one label", {first, none, false, false, 1}},
          {"token classification", {all, none, false, false, 9}},
          {"question answering", {all, none, false, false, 2}},
          {"masked words", {all, act, true, true, vocab_size}},
          {"masked words, a decoder of its own", {all, act, true, false, vocab_size + 7}},
          {"sequence classification of DistilBERT", {first, HeadDense::kRelu, false, false, 3}},
          {"masked words of RoBERTa", {all, gelu, true, true, vocab_size}}};
}

// The logits of a batch, and the largest of them.
struct HeadLogits {
  std::vector<int32_t> rows;  // which tokens
  std::vector<float> logits;
  std::vector<int32_t> top_columns;
  std::vector<float> top_values, log_sum_exp;
};

inline HeadLogits encode_head(Backend& backend, const Batch& batch, int32_t token = kEveryToken,
                              int32_t top = 0) {
  const Head& head = *backend.geometry().head;
  HeadLogits result;
  list_head_rows(head, batch.packed(), token, result.rows);
  const size_t rows = result.rows.size();
  // One more than needed, to see that nobody writes there.
  result.logits.assign(rows * static_cast<size_t>(head.outputs) + 1, canary());
  result.top_columns.assign(rows * static_cast<size_t>(top) + 1, -7);
  result.top_values.assign(rows * static_cast<size_t>(top) + 1, canary());
  result.log_sum_exp.assign(rows + 1, canary());
  EncodeOutput output;
  output.head_token = token;
  output.logits = result.logits.data();
  output.top.count = top;
  output.top.columns = result.top_columns.data();
  output.top.values = result.top_values.data();
  output.top.log_sum_exp = result.log_sum_exp.data();
  const std::atomic<bool> cancelled{false};
  const Status status = backend.encode(batch.packed(), output, cancelled);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(is_canary(result.logits.back()));
  EXPECT_EQ(result.top_columns.back(), -7);
  EXPECT_TRUE(is_canary(result.top_values.back()));
  EXPECT_TRUE(is_canary(result.log_sum_exp.back()));
  result.logits.pop_back();
  result.top_columns.pop_back();
  result.top_values.pop_back();
  result.log_sum_exp.pop_back();
  return result;
}

// The reference's, [rows][outputs].
inline Rows reference_logits(const ReferenceBert& reference, const Head& head, const Batch& batch,
                             int32_t token = kEveryToken) {
  Rows logits;
  for (size_t i = 0; i < batch.size(); ++i) {
    Batch single;
    single.add(batch.ids_of(i), batch.types_of(i));
    std::vector<int32_t> rows;
    list_head_rows(head, single.packed(), token, rows);
    const Rows hidden = reference.encode(single.ids, single.types);
    Rows chosen;
    for (const int32_t row : rows) chosen.push_back(hidden[static_cast<size_t>(row)]);
    for (auto& row : reference.logits(chosen)) logits.push_back(row);
  }
  return logits;
}

inline bool same_bits(const float* a, const float* b, size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

}  // namespace fusebert::cpu
