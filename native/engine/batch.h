// A batch in the making, under way, and handed out: sequences of some requests, packed, and room
// for what the backend makes of them. Used again and again, so that it keeps its capacity.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "engine/active_request.h"

namespace fusebert {

class Batch {
 public:
  // Of up to so many tokens and logits, but for a sequence that has more by itself.
  Batch(int64_t max_tokens, int64_t max_logits)
      : max_tokens_(max_tokens), max_logits_(max_logits) {}

  void clear();
  // As clear(), and gives the memory back.
  void trim();
  bool empty() const { return slices_.empty(); }
  int64_t room() const { return max_tokens_ - packed().total_tokens(); }
  // Whether sequences for which this is wanted may join.
  bool accepts(const OutputOptions& output) const { return empty() || output == output_; }

  // Takes ready sequences of a request, as many as there is room for, and returns whether there
  // were any. When it fails it has taken none.
  Result<bool> take(const std::shared_ptr<ActiveRequest>& request);

  // Makes room for the results; may throw std::bad_alloc. `layers` may be null where they are not
  // wanted.
  void prepare(const Geometry& geometry, const PooledLayers* layers);
  // Lets pooled vectors through the layers, where that is wanted.
  void finish(PooledLayers* layers);
  PackedBatch packed() const { return {input_ids_, token_type_ids_, cu_seqlens_}; }
  const EncodeOutput& output() const { return wanted_; }

  // Set when nobody waits for it any more.
  std::atomic<bool>& cancelled() { return cancelled_; }
  bool is_for_nobody() const;

  // Copies the results to the requests; one for which there is no memory fails.
  void hand_out();
  void fail(const Status& status);
  // Fails the request whose sequence it is, by its own number there, and takes its sequences out of
  // the batch.
  std::shared_ptr<ActiveRequest> fail_sequence(int64_t sequence, const Status& status);

  template <class Use>
  void for_each_request(const Use& use) const {
    for (const Slice& slice : slices_) use(slice.request);
  }

 private:
  // Sequences of a request that lie together, and where their results go in its own.
  struct Slice {
    std::shared_ptr<ActiveRequest> request;
    size_t count;           // of sequences
    int64_t first_sequence;
    int64_t first_token;
    int64_t first_head_row;
    int64_t head_rows;  // of these sequences
  };

  // Where a request's ready sequences end that there is room for, and the logits with them.
  struct Room {
    size_t end;
    int64_t logits;
  };

  Room find_room(const ActiveRequest& request) const;
  void hand_out(const Slice& slice, size_t sequence, int64_t head_row);
  void hand_out_head(const Slice& slice, int64_t head_row);
  void remove(size_t slice);

  const int64_t max_tokens_, max_logits_;
  int64_t logit_count_ = 0;
  int64_t hidden_size_ = 0, pooled_size_ = 0, head_outputs_ = 0;
  OutputOptions output_;
  std::vector<Slice> slices_;
  std::vector<int32_t> input_ids_, token_type_ids_, cu_seqlens_{0};
  std::vector<float> hidden_states_, pooled_, pooler_output_;
  std::vector<float> finished_;  // what the layers make of pooled_
  std::vector<float> logits_, top_values_, log_sum_exp_;
  std::vector<int32_t> top_columns_;
  EncodeOutput wanted_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace fusebert
