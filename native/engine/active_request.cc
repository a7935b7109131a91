// Tokenizing, checking, and keeping count.
#include "engine/active_request.h"

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fusebert {
namespace {

// cu_seqlens has 32 bits.
constexpr int64_t kMaxTokensPerRequest = INT32_MAX;

}  // namespace

Status ActiveRequest::fill(int64_t token_budget) {
  if (request_.tokenizer == nullptr) return Status();
  PackedEncoding& encoded = request_.encoded;
  drop_taken();
  const size_t first_new = encoded.cu_seqlens.size() - 1;
  const size_t first_text = next_text_;
  Tokenizer::Session session(*request_.tokenizer);
  while (next_text_ < request_.texts.size() && encoded.cu_seqlens.back() < token_budget &&
         !cancelled()) {
    Status status;
    // Caught here, so that the failure is this request's and not its neighbours'.
    try {
      status = session.encode(request_.texts[next_text_], std::nullopt,
                              request_.tokenizer_options, encoded);
    } catch (const std::bad_alloc&) {
      status = Status(StatusCode::kOutOfMemory, "Not enough memory to tokenize.");
    }
    if (!status.ok()) {
      return Status(status.code(),
                    "Text " + std::to_string(next_text_) + ": " + status.message());
    }
    ++next_text_;
  }
  encoded.write_out_types();
  return check_sequences(encoded, geometry_, static_cast<int64_t>(first_new),
                         static_cast<int64_t>(first_text));
}

// Moves what is still to be encoded to the front, so that memory does not grow with the number of
// texts. What is left is less than a batch.
void ActiveRequest::drop_taken() {
  if (next_sequence_ == 0) return;
  LargeVector<int32_t>& cu_seqlens = request_.encoded.cu_seqlens;
  const int32_t tokens = cu_seqlens[next_sequence_];
  const auto drop = [](auto& from, size_t count) {
    from.erase(from.begin(), from.begin() + static_cast<ptrdiff_t>(count));
  };
  drop(request_.encoded.input_ids, static_cast<size_t>(tokens));
  drop(request_.encoded.token_type_ids, static_cast<size_t>(tokens));
  drop(cu_seqlens, next_sequence_);
  for (int32_t& boundary : cu_seqlens) boundary -= tokens;
  next_sequence_ = 0;
}

int64_t ActiveRequest::expected_sequences() const {
  return static_cast<int64_t>(request_.tokenizer == nullptr ? ready().cu_seqlens.size() - 1
                                                            : request_.texts.size());
}

int64_t ActiveRequest::head_rows_taken() const {
  if (!geometry_.head.has_value()) return 0;
  if (geometry_.head->rows == HeadRows::kFirst) return sequences_taken();
  return wants_token() ? static_cast<int64_t>(result_.head_tokens.size()) : tokens_taken();
}

int64_t ActiveRequest::logits_of(size_t sequence) const {
  if (!output().logits || !geometry_.head.has_value()) return 0;
  const PackedBatch batch{ready().input_ids, ready().token_type_ids, ready().cu_seqlens};
  const Head& head = *geometry_.head;
  const auto index = static_cast<int64_t>(sequence);
  return count_head_rows_of(head, batch, index, output().head_token) * head.outputs;
}

Status ActiveRequest::prepare_to_take(size_t count) {
  const LargeVector<int32_t>& cu_seqlens = ready().cu_seqlens;
  const int64_t tokens = int64_t{cu_seqlens[next_sequence_ + count]} - cu_seqlens[next_sequence_];
  if (tokens_taken() + tokens > kMaxTokensPerRequest) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected at most " + std::to_string(kMaxTokensPerRequest) +
                      " tokens in one call. Give fewer texts at once.");
  }
  try {
    result_.cu_seqlens.reserve(static_cast<size_t>(expected_sequences()) + 1);
    if (wants_token()) {
      const auto first = ready().input_ids.begin() + cu_seqlens[next_sequence_];
      const auto rows = std::count(first, first + tokens, output().head_token);
      std::vector<int32_t>& head_tokens = result_.head_tokens;
      const size_t needed = head_tokens.size() + static_cast<size_t>(rows);
      if (needed > head_tokens.capacity()) head_tokens.reserve(2 * needed);
    }
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "Not enough memory. Give fewer texts at once.");
  }
  return Status();
}

void ActiveRequest::take(size_t count) {
  const LargeVector<int32_t>& cu_seqlens = ready().cu_seqlens;
  if (wants_token()) {
    const int32_t begin = cu_seqlens[next_sequence_], end = cu_seqlens[next_sequence_ + count];
    const int32_t taken = result_.cu_seqlens.back();
    for (int32_t token = begin; token < end; ++token) {
      if (ready().input_ids[static_cast<size_t>(token)] != output().head_token) continue;
      result_.head_tokens.push_back(taken + token - begin);
    }
  }
  for (size_t i = 0; i < count; ++i, ++next_sequence_) {
    const int32_t length = cu_seqlens[next_sequence_ + 1] - cu_seqlens[next_sequence_];
    result_.cu_seqlens.push_back(result_.cu_seqlens.back() + length);
  }
}

void ActiveRequest::fail(const Status& status) {
  if (!result_.status.ok()) return;
  try {
    result_.status = status;
  } catch (const std::bad_alloc&) {
    result_.status = no_memory();
  }
}

void ActiveRequest::complete(const Status& status) {
  EncodeResult result;
  if (status.ok()) {
    result = std::move(result_);
    result.truncated = request_.encoded.truncated;
  } else {
    result.status = status;
  }
  request_ = EncodeRequest();
  completion_(std::move(result));
}

Status check_sequences(const PackedEncoding& encoding, const Geometry& geometry,
                       int64_t first_sequence, int64_t number) {
  const size_t tokens = encoding.input_ids.size();
  const auto name = [first_sequence, number](size_t sequence) {
    return std::to_string(static_cast<int64_t>(sequence) - first_sequence + number);
  };
  if (encoding.token_type_ids.size() != tokens || encoding.cu_seqlens.empty() ||
      encoding.cu_seqlens.front() != 0 ||
      encoding.cu_seqlens.back() != static_cast<int64_t>(tokens)) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected input_ids and token_type_ids of cu_seqlens' last value in length.");
  }
  for (size_t i = static_cast<size_t>(first_sequence); i + 1 < encoding.cu_seqlens.size(); ++i) {
    if (encoding.cu_seqlens[i + 1] > static_cast<int64_t>(tokens)) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected cu_seqlens to end at the number of tokens but it goes beyond.");
    }
    const int64_t length = int64_t{encoding.cu_seqlens[i + 1]} - encoding.cu_seqlens[i];
    if (length <= 0) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected at least one token in each text but text " + name(i) +
                        " has none.");
    }
    if (length > geometry.max_sequence_length()) {
      return Status(StatusCode::kInputTooLong,
                    "Expected at most " + std::to_string(geometry.max_sequence_length()) +
                        " tokens in a text but text " + name(i) + " has " +
                        std::to_string(length) + ". Turn truncation on, or shorten it.");
    }
    for (int32_t t = encoding.cu_seqlens[i]; t < encoding.cu_seqlens[i + 1]; ++t) {
      const size_t token = static_cast<size_t>(t);
      const int64_t type = geometry.has_token_types ? encoding.token_type_ids[token] : 0;
      if (encoding.input_ids[token] < 0 || encoding.input_ids[token] >= geometry.vocab_size ||
          type < 0 || type >= geometry.type_vocab_size) {
        return Status(StatusCode::kInputToken,
                      "Expected token ids below " + std::to_string(geometry.vocab_size) +
                          " and token types below " + std::to_string(geometry.type_vocab_size) +
                          " but text " + name(i) + " has others at token " +
                          std::to_string(t - encoding.cu_seqlens[i]) + ".");
      }
    }
  }
  return Status();
}

}  // namespace fusebert
