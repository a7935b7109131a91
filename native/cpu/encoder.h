// Runs an encoder's layers over a packed batch, operation by operation, on the threads of a pool,
// in a workspace that is planned once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "core/packed_batch.h"
#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/aligned_buffer.h"
#include "cpu/encoder_weights.h"
#include "cpu/kernels/kernels.h"
#include "cpu/work_queue.h"
#include "model/geometry.h"

namespace fusebert::cpu {

// A row-major matrix inside the workspace. The stride is an odd number of cache lines and has room
// for whole panels, as kernels/kernels.h asks.
struct Matrix {
  float* data = nullptr;  // [max_tokens, columns], rows `stride` apart
  int64_t stride = 0;

  float* row(int64_t index) const { return data + index * stride; }
};

class Encoder {
 public:
  // Plans a workspace for batches of up to max_tokens tokens. Borrows the weights.
  static Result<std::unique_ptr<Encoder>> create(const Geometry& geometry, const Kernels& kernels,
                                                 const EncoderWeights& weights,
                                                 std::shared_ptr<ThreadPool> pool,
                                                 int64_t max_tokens);

  // Encodes a batch of at most max_tokens tokens and writes what is asked for. kAborted when
  // `cancelled` is seen; it is looked at between operations and between their units of work.
  Status run(const PackedBatch& batch, const EncodeOutput& output,
             const std::atomic<bool>& cancelled);

 private:
  Encoder(const Geometry& geometry, const Kernels& kernels, const EncoderWeights& weights,
          std::shared_ptr<ThreadPool> pool)
      : geometry_(geometry),
        kernels_(kernels),
        weights_(weights),
        pool_(std::move(pool)),
        queue_(pool_->size()) {}

  Status plan(int64_t max_tokens);
  void embed(const PackedBatch& batch);
  void layer(const LayerWeights& layer, const PackedBatch& batch,
             const std::atomic<bool>& cancelled);
  void multiply(const Linear& linear, const Matrix& in, int64_t rows, Epilogue epilogue,
                const Matrix& residual, const Matrix& out, const std::atomic<bool>& cancelled);
  void attend(const PackedBatch& batch, const std::atomic<bool>& cancelled);
  void normalize(const LayerNorm& norm, const Matrix& in, const Matrix& out, int64_t rows);
  void write_hidden_states(int64_t rows, bool normalize, float* out);
  void pool(Pooling pooling, int64_t first, int64_t end, int64_t skipped, float* out) const;
  void write_pooled(const PackedBatch& batch, const EncodeOutput& output);
  void write_pooler_output(const PackedBatch& batch, float* out,
                           const std::atomic<bool>& cancelled);
  void write_head(const PackedBatch& batch, const EncodeOutput& output,
                  const std::atomic<bool>& cancelled);
  Matrix head_inputs(const PackedBatch& batch, int32_t token, int64_t& rows);
  void write_logits(int64_t first_row, int64_t rows, const EncodeOutput& output);

  // task(unit, thread) for every unit of [0, units), on all threads, without an allocation.
  template <class Task>
  void parallel(int64_t units, const Task& task);
  // task(begin, end) for shares that together are [0, count).
  template <class Task>
  void parallel_ranges(int64_t count, const Task& task);

  const Geometry geometry_;
  const Kernels& kernels_;
  const EncoderWeights& weights_;
  const std::shared_ptr<ThreadPool> pool_;
  WorkQueue queue_;

  AlignedBuffer memory_;                  // the matrices
  AlignedBuffer scratch_;                 // [threads][scratch_floats_], for attention
  std::unique_ptr<int32_t[]> positions_;  // [max_tokens]
  int64_t scratch_floats_ = 0;
  Matrix hidden_;           // [max_tokens, hidden_size]
  Matrix query_key_value_;  // [max_tokens, 3 · hidden_size]
  Matrix context_;          // [max_tokens, hidden_size]
  Matrix projection_;       // [max_tokens, hidden_size]
  Matrix intermediate_;     // [max_tokens, intermediate_size]
  Matrix logits_;           // [logit_rows_, head.outputs]; of as many rows at a time
  int64_t logit_rows_ = 0;
  std::vector<int32_t> head_rows_;  // room for [max_tokens]
};

}  // namespace fusebert::cpu
