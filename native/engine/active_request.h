// A request on its way through the engine: which of its sequences are tokenized, which have gone
// into batches, and what is known of its result.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/status.h"
#include "engine/request.h"
#include "model/geometry.h"

namespace fusebert {

class ActiveRequest {
 public:
  // Borrows the geometry of the model that it is for.
  ActiveRequest(uint64_t id, EncodeRequest request, Completion completion,
                const Geometry& geometry)
      : id_(id),
        request_(std::move(request)),
        completion_(std::move(completion)),
        geometry_(geometry) {}
  ActiveRequest(const ActiveRequest&) = delete;
  ActiveRequest& operator=(const ActiveRequest&) = delete;

  uint64_t id() const { return id_; }
  const OutputOptions& output() const { return request_.output; }

  // From any thread; the rest is the engine thread's.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // Tokenizes texts until `token_budget` tokens are ready, no text is left, or it is cancelled.
  // Fails when a text cannot be tokenized or does not fit the model.
  Status fill(int64_t token_budget);

  // Sequences that are tokenized and in no batch yet.
  const PackedEncoding& ready() const { return request_.encoded; }
  size_t first_ready() const { return next_sequence_; }
  size_t sequences_ready() const { return ready().cu_seqlens.size() - 1 - next_sequence_; }
  int64_t sequences_taken() const { return static_cast<int64_t>(result_.cu_seqlens.size()) - 1; }
  int64_t tokens_taken() const { return result_.cu_seqlens.back(); }
  // Of these, the rows that go through the head when it is wanted.
  int64_t head_rows_taken() const;
  // Logits that the sequence of this index in ready() gives, where they are wanted.
  int64_t logits_of(size_t sequence) const;
  // Makes room for what take() will write. Fails when the result would be larger than may be.
  Status prepare_to_take(size_t count);
  // The next `count` ready sequences have gone into a batch.
  void take(size_t count);
  bool all_taken() const { return all_tokenized() && sequences_ready() == 0; }

  EncodeResult& result() { return result_; }
  // Of the whole request.
  int64_t expected_sequences() const;

  // The first failure is what is told in the end; one that is ok is none.
  void fail(const Status& status);
  bool failed() const { return !status().ok(); }
  const Status& status() const { return result_.status; }

  // Batches under way that have sequences of this request.
  void joined_batch() { ++batches_; }
  void left_batch() { --batches_; }
  bool in_batch() const { return batches_ > 0; }
  bool over() const { return !in_batch() && (failed() || cancelled() || all_taken()); }

  // Tells its caller, once, and gives its memory back.
  void complete(const Status& status);

 private:
  bool all_tokenized() const {
    return request_.tokenizer == nullptr || next_text_ == request_.texts.size();
  }
  void drop_taken();
  bool wants_token() const {
    return geometry_.head.has_value() && output().wants_token(*geometry_.head);
  }

  const uint64_t id_;
  EncodeRequest request_;
  Completion completion_;
  const Geometry& geometry_;
  EncodeResult result_;
  size_t next_text_ = 0;      // the first text that is not tokenized yet
  size_t next_sequence_ = 0;  // the first of request_.encoded that is in no batch yet
  int batches_ = 0;
  std::atomic<bool> cancelled_{false};
};

// Ids of sequences from `first_sequence` on must be inside the model's tables: backends rely on it.
// That sequence is the caller's text number `number`. Ids stay out of messages: they are text.
Status check_sequences(const PackedEncoding& encoding, const Geometry& geometry,
                       int64_t first_sequence, int64_t number);

}  // namespace fusebert
