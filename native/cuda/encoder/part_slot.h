// What one part of a batch has for itself while others are under way: its inputs, its results on
// both sides, and the events by which streams and threads wait for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/batch_inputs.h"
#include "cuda/encoder/forward.h"
#include "model/geometry.h"

namespace fusebert::cuda {

// What becomes of a batch's parts. Its owner keeps it in place while any is under way.
struct BatchProgress {
  explicit BatchProgress(const std::atomic<bool>& is_cancelled) : cancelled(is_cancelled) {}

  const std::atomic<bool>& cancelled;
  Status status;            // the first error of its parts
  int parts_under_way = 0;

  void fail(const Status& error) {
    if (status.ok()) status = error;
  }
};

class PartSlot {
 public:
  // For parts of up to max_tokens tokens.
  static Result<PartSlot> create(const ContextPointer& context, const Geometry& geometry,
                                 std::int64_t max_tokens, const BudgetPointer& budget);

  // Takes a part in: gathers its inputs and makes room for its results, on both sides, so that
  // nothing need be allocated once it is under way. The slot must be free.
  Status take(const PackedBatch& part, const EncodeOutput& output);

  const BatchInputs& inputs() const { return inputs_; }
  std::int64_t tokens() const { return tokens_; }
  std::int64_t sequences() const { return sequences_; }
  const EncodeOutput& output() const { return output_; }

  // In device memory, fp32; null for what is not wanted.
  float* hidden_states() const { return at(hidden_states_); }  // [tokens, hidden_size]
  float* pooled() const { return at(pooled_); }  // [sequences, pooling.count · hidden_size]
  float* pooler_output() const { return at(pooler_output_); }  // [sequences, hidden_size]
  float* logits() const { return at(logits_); }  // [head_rows().most, outputs]; for `top` too
  TopLogits top() const;
  Forward::ChosenRows head_rows() const;

  const Event& uploaded() const { return uploaded_; }
  const Event& computed() const { return computed_; }

  // Queues the way back of the results. From now on the part is under way.
  Status download(const Stream& stream, BatchProgress& progress);
  bool under_way() const { return progress_ != nullptr; }
  // Waits for the part under way and copies its results to where its caller wants them. Tells its
  // batch's progress what hinders that: kAborted when it is cancelled, kNotFinite, with the layer,
  // when activations left the kernels' type. Returns an error when it is the device's, and the
  // batch is told of it too. The slot is free afterwards; nothing happens when it is before.
  Status deliver();
  // Frees the slot of a part that cannot be delivered.
  void drop(const Status& why);

 private:
  // Where a result lies among the results, and how many numbers of 32 bits it has.
  struct Piece {
    std::int64_t offset = 0;
    std::int64_t count = 0;
    void* to = nullptr;  // the caller's; null when it stays on the device
  };

  template <class T = float>
  T* at(const Piece& piece) const {
    return piece.count == 0 ? nullptr
                            : reinterpret_cast<T*>(results_.get()) + piece.offset;
  }
  void lay_out(const EncodeOutput& output);
  Status reserve();
  Status hand_out(const BatchProgress& progress) const;
  Status check_finite() const;

  ContextPointer context_;
  BudgetPointer budget_;
  std::int64_t hidden_size_ = 0, layers_ = 0;
  std::optional<Head> head_;
  BatchInputs inputs_;
  DeviceMemory results_;
  std::int64_t result_floats_ = 0;  // that there is room for
  PinnedMemory host_;               // the flag of overflow, then results
  std::int64_t host_floats_ = 0;    // that there is room for
  Event uploaded_, computed_, downloaded_;

  // Of the part that was taken in last.
  EncodeOutput output_;
  std::int64_t tokens_ = 0, sequences_ = 0;
  std::int64_t head_row_count_ = 0;
  std::vector<std::int32_t> head_tokens_;  // that go through the head, when they are of one id
  Piece hidden_states_, pooled_, pooler_output_, top_columns_, top_values_, log_sum_exp_, logits_;
  std::int64_t floats_ = 0;    // of all pieces
  std::int64_t returned_ = 0;  // of those that come back, which are the first
  BatchProgress* progress_ = nullptr;  // of its batch, while the part is under way
};

}  // namespace fusebert::cuda
