// The forward pass of BERT's encoder (post-LayerNorm, absolute positions), as transformers'
// BertModel and RobertaModel compute it, on packed tokens.
#include "cpu/encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <new>
#include <utility>

#include "cpu/top_logits.h"
#include "cpu/work_split.h"
#include "model/positions.h"

namespace fusebert::cpu {
namespace {

// Every table's panels are a divisor of this wide, so whole panels fit into a row.
constexpr int64_t kWidestPanel = 32;

// Rows an odd number of cache lines apart spread over all sets of a cache; powers of two would
// put the rows of a tile into the same one.
int64_t row_stride(int64_t columns) { return round_up(columns, kWidestPanel) + kCacheLineFloats; }

// Logits are made of as many rows at a time as fit here, so that those of a large vocabulary stay
// in a cache until they have been looked through; but of so many rows at least that reading the
// weights pays.
constexpr int64_t kLogitFloats = int64_t{1} << 20;
constexpr int64_t kLeastLogitRows = 32;

Epilogue epilogue_of(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return Epilogue::kGelu;
    case Activation::kGeluTanh:
      return Epilogue::kGeluTanh;
    case Activation::kQuickGelu:
      return Epilogue::kQuickGelu;
    case Activation::kRelu:
      return Epilogue::kRelu;
    case Activation::kSilu:
      return Epilogue::kSilu;
  }
  return Epilogue::kGelu;
}

// Made only where it is returned: its message takes an allocation.
Status aborted() { return Status(StatusCode::kAborted, "The request was cancelled."); }

// Of a head's dense layer, which is there.
Epilogue epilogue_of(HeadDense dense, Activation hidden_act) {
  if (dense == HeadDense::kTanh) return Epilogue::kTanh;
  if (dense == HeadDense::kRelu) return Epilogue::kRelu;
  return epilogue_of(dense == HeadDense::kGelu ? Activation::kGelu : hidden_act);
}

}  // namespace

Result<std::unique_ptr<Encoder>> Encoder::create(const Geometry& geometry, const Kernels& kernels,
                                                 const EncoderWeights& weights,
                                                 std::shared_ptr<ThreadPool> pool,
                                                 int64_t max_tokens) {
  std::unique_ptr<Encoder> encoder(new Encoder(geometry, kernels, weights, std::move(pool)));
  FUSEBERT_RETURN_IF_ERROR(encoder->plan(max_tokens));
  return encoder;
}

Status Encoder::plan(int64_t max_tokens) {
  const int64_t hidden = geometry_.hidden_size;
  struct Plan {
    Matrix* matrix;
    int64_t rows, columns;
  };
  const int64_t outputs = geometry_.head.has_value() ? geometry_.head->outputs : 0;
  if (outputs > 0) {
    const int64_t rows = std::max(kLogitFloats / row_stride(outputs), kLeastLogitRows);
    logit_rows_ = std::min(rows, max_tokens);
    head_rows_.reserve(static_cast<size_t>(max_tokens));
  }
  const Plan matrices[] = {{&hidden_, max_tokens, hidden},
                           {&query_key_value_, max_tokens, 3 * hidden},
                           {&context_, max_tokens, hidden},
                           {&projection_, max_tokens, hidden},
                           {&intermediate_, max_tokens, geometry_.intermediate_size},
                           {&logits_, logit_rows_, outputs}};
  int64_t floats = 0;
  for (const Plan& each : matrices) floats += each.rows * row_stride(each.columns);
  auto memory = AlignedBuffer::allocate(floats);
  if (!memory.ok()) return memory.status();
  memory_ = std::move(memory.value());
  float* next = memory_.data();
  for (const Plan& each : matrices) {
    *each.matrix = {next, row_stride(each.columns)};
    next += each.rows * each.matrix->stride;
  }
  scratch_floats_ = round_up(
      kernels_.attention_scratch_floats(geometry_.max_sequence_length(), geometry_.head_dim()),
      kCacheLineFloats);
  auto scratch = AlignedBuffer::allocate(scratch_floats_ * pool_->size());
  if (!scratch.ok()) return scratch.status();
  scratch_ = std::move(scratch.value());
  positions_.reset(new (std::nothrow) int32_t[static_cast<size_t>(max_tokens)]);
  if (positions_ == nullptr) {
    return Status(StatusCode::kOutOfMemory, "Expected memory for the positions of a batch.");
  }
  return Status();
}

template <class Task>
void Encoder::parallel(int64_t units, const Task& task) {
  queue_.reset(units);
  const auto work = [&](int64_t thread) {
    queue_.work(thread, [&](int64_t unit) { task(unit, thread); });
  };
  // A reference fits into std::function without an allocation; the closure itself does not.
  pool_->run(std::min<int64_t>(units, pool_->size()), std::cref(work));
}

template <class Task>
void Encoder::parallel_ranges(int64_t count, const Task& task) {
  const int64_t units = std::min(count, pool_->size() * kUnitsPerThread);
  parallel(units,
           [&](int64_t unit, int64_t) { task(count * unit / units, count * (unit + 1) / units); });
}

Status Encoder::run(const PackedBatch& batch, const EncodeOutput& output,
                    const std::atomic<bool>& cancelled) {
  embed(batch);
  for (const LayerWeights& weights : weights_.layers) {
    layer(weights, batch, cancelled);
    if (cancelled.load(std::memory_order_relaxed)) return aborted();
  }
  if (output.hidden_states != nullptr) {
    write_hidden_states(batch.total_tokens(), output.normalize && output.pooling.count == 0,
                        output.hidden_states);
  }
  if (output.pooled != nullptr) write_pooled(batch, output);
  if (output.pooler_output != nullptr) {
    write_pooler_output(batch, output.pooler_output, cancelled);
    if (cancelled.load(std::memory_order_relaxed)) return aborted();
  }
  if (output.wants_head()) {
    write_head(batch, output, cancelled);
    if (cancelled.load(std::memory_order_relaxed)) return aborted();
  }
  return Status();
}

void Encoder::embed(const PackedBatch& batch) {
  fill_positions(geometry_, batch, positions_.get());
  EmbeddingArguments arguments;
  arguments.input_ids = batch.input_ids.data();
  arguments.token_type_ids = batch.token_type_ids.data();
  arguments.positions = positions_.get();
  arguments.words = weights_.word_embeddings;
  arguments.types = weights_.token_type_embeddings;
  arguments.position_table = weights_.position_embeddings;
  arguments.norm = {nullptr,
                    hidden_.data,
                    weights_.embedding_norm.gamma,
                    weights_.embedding_norm.beta,
                    geometry_.hidden_size,
                    0,
                    hidden_.stride,
                    geometry_.layer_norm_eps};
  parallel_ranges(batch.total_tokens(),
                  [&](int64_t begin, int64_t end) { kernels_.embed(arguments, begin, end); });
}

// Stops between operations once cancelled; what is in the workspace then is never read.
void Encoder::layer(const LayerWeights& w, const PackedBatch& batch,
                    const std::atomic<bool>& cancelled) {
  const int64_t rows = batch.total_tokens();
  const Matrix none;
  multiply(w.query_key_value, hidden_, rows, Epilogue::kNone, none, query_key_value_, cancelled);
  if (cancelled.load(std::memory_order_relaxed)) return;
  attend(batch, cancelled);
  multiply(w.attention_output, context_, rows, Epilogue::kResidual, hidden_, projection_,
           cancelled);
  if (cancelled.load(std::memory_order_relaxed)) return;
  normalize(w.attention_norm, projection_, hidden_, rows);
  multiply(w.intermediate, hidden_, rows, epilogue_of(geometry_.hidden_act), none, intermediate_,
           cancelled);
  if (cancelled.load(std::memory_order_relaxed)) return;
  multiply(w.output, intermediate_, rows, Epilogue::kResidual, hidden_, projection_, cancelled);
  if (cancelled.load(std::memory_order_relaxed)) return;
  normalize(w.output_norm, projection_, hidden_, rows);
}

void Encoder::multiply(const Linear& linear, const Matrix& in, int64_t rows, Epilogue epilogue,
                       const Matrix& residual, const Matrix& out,
                       const std::atomic<bool>& cancelled) {
  const GemmArguments arguments = {in.data,    linear.panels, linear.bias, residual.data,
                                   out.data,   linear.inputs, in.stride,   residual.stride,
                                   out.stride, epilogue};
  const GemmGrid grid = cut_gemm(rows, linear.panel_count, pool_->size(), kernels_);
  parallel(grid.units(), [&](int64_t unit, int64_t) {
    if (!cancelled.load(std::memory_order_relaxed)) kernels_.gemm(arguments, grid.unit(unit));
  });
}

void Encoder::attend(const PackedBatch& batch, const std::atomic<bool>& cancelled) {
  const int64_t parts =
      attention_parts(batch.batch_size(), geometry_.num_attention_heads, pool_->size());
  parallel(parts, [&](int64_t part, int64_t thread) {
    if (cancelled.load(std::memory_order_relaxed)) return;
    float* scratch = scratch_.data() + thread * scratch_floats_;
    for_each_attention(batch.cu_seqlens.data(), batch.batch_size(), geometry_.num_attention_heads,
                       kernels_.gemm_tile_rows, part, parts,
                       [&](int64_t sequence, int64_t head, int64_t row_begin, int64_t row_end) {
                         const int64_t begin = batch.cu_seqlens[static_cast<size_t>(sequence)];
                         const int64_t end = batch.cu_seqlens[static_cast<size_t>(sequence) + 1];
                         const AttentionArguments arguments = {query_key_value_.row(begin),
                                                               context_.row(begin),
                                                               end - begin,
                                                               geometry_.hidden_size,
                                                               geometry_.head_dim(),
                                                               query_key_value_.stride,
                                                               context_.stride};
                         kernels_.attention(arguments, head, row_begin, row_end, scratch);
                       });
  });
}

void Encoder::normalize(const LayerNorm& norm, const Matrix& in, const Matrix& out, int64_t rows) {
  const LayerNormArguments arguments = {in.data,
                                        out.data,
                                        norm.gamma,
                                        norm.beta,
                                        geometry_.hidden_size,
                                        in.stride,
                                        out.stride,
                                        geometry_.layer_norm_eps};
  parallel_ranges(rows,
                  [&](int64_t begin, int64_t end) { kernels_.layer_norm(arguments, begin, end); });
}

void Encoder::write_hidden_states(int64_t rows, bool normalize, float* out) {
  const int64_t hidden = geometry_.hidden_size;
  parallel_ranges(rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::copy_n(hidden_.row(row), hidden, out + row * hidden);
      if (normalize) kernels_.l2_normalize(out + row * hidden, hidden);
    }
  });
}

// One vector of rows [first, end), of a sequence whose first `skipped` rows are left out.
void Encoder::pool(Pooling pooling, int64_t first, int64_t end, int64_t skipped, float* out) const {
  const int64_t hidden = geometry_.hidden_size;
  if (pooling == Pooling::kCls || pooling == Pooling::kLastToken) {
    std::copy_n(hidden_.row(pooling == Pooling::kCls ? first : end - 1), hidden, out);
    return;
  }
  const auto count = static_cast<double>(end - first);
  ReduceArguments arguments = {hidden_.row(first), end - first, hidden, hidden_.stride,
                               Reduction::kSum,    skipped + 1, static_cast<float>(count)};
  if (pooling == Pooling::kMax) arguments.reduction = Reduction::kMax;
  if (pooling == Pooling::kMeanSqrtLen) arguments.divisor = static_cast<float>(std::sqrt(count));
  if (pooling == Pooling::kWeightedMean) {
    arguments.reduction = Reduction::kWeightedSum;
    const double mean_weight = static_cast<double>(skipped + 1) + (count - 1.0) / 2.0;
    arguments.divisor = static_cast<float>(count * mean_weight);
  }
  kernels_.reduce_rows(arguments, out);
}

void Encoder::write_pooled(const PackedBatch& batch, const EncodeOutput& output) {
  const int64_t hidden = geometry_.hidden_size;
  parallel_ranges(batch.batch_size(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t after = batch.cu_seqlens[static_cast<size_t>(i) + 1];
      const int64_t length = after - batch.cu_seqlens[static_cast<size_t>(i)];
      const int64_t skipped = std::min<int64_t>(output.skip_tokens, length - 1);
      float* out = output.pooled + i * output.pooling.count * hidden;
      for (int k = 0; k < output.pooling.count; ++k) {
        pool(output.pooling[k], after - length + skipped, after, skipped, out + k * hidden);
      }
      if (output.normalize) kernels_.l2_normalize(out, hidden);
    }
  });
}

// Only the first row of each sequence goes through the pooler. context_ and projection_ are free.
void Encoder::write_pooler_output(const PackedBatch& batch, float* out,
                                  const std::atomic<bool>& cancelled) {
  const int64_t hidden = geometry_.hidden_size;
  const int64_t rows = batch.batch_size();
  for (int64_t i = 0; i < rows; ++i) {
    std::copy_n(hidden_.row(batch.cu_seqlens[static_cast<size_t>(i)]), hidden, context_.row(i));
  }
  multiply(weights_.pooler, context_, rows, Epilogue::kTanh, Matrix(), projection_, cancelled);
  for (int64_t i = 0; i < rows; ++i) {
    std::copy_n(projection_.row(i), hidden, out + i * hidden);
  }
}

// The hidden states that the head is for, gathered where they do not lie together already.
Matrix Encoder::head_inputs(const PackedBatch& batch, int32_t token, int64_t& rows) {
  const Head& head = *geometry_.head;
  if (head.rows == HeadRows::kAll && token == kEveryToken) {
    rows = batch.total_tokens();
    return hidden_;
  }
  list_head_rows(head, batch, token, head_rows_);
  rows = static_cast<int64_t>(head_rows_.size());
  if (rows == 0) return context_;
  parallel_ranges(rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::copy_n(hidden_.row(head_rows_[static_cast<size_t>(row)]), geometry_.hidden_size,
                  context_.row(row));
    }
  });
  return context_;
}

// context_ and projection_ are free.
void Encoder::write_head(const PackedBatch& batch, const EncodeOutput& output,
                         const std::atomic<bool>& cancelled) {
  const Head& head = *geometry_.head;
  const HeadWeights& w = weights_.head;
  int64_t rows = 0;
  Matrix x = head_inputs(batch, output.head_token, rows);
  if (rows == 0) return;
  if (head.dense != HeadDense::kNone) {
    const Epilogue epilogue = epilogue_of(head.dense, geometry_.hidden_act);
    multiply(w.dense, x, rows, epilogue, Matrix(), projection_, cancelled);
    x = projection_;
  }
  if (cancelled.load(std::memory_order_relaxed)) return;
  if (head.layer_norm) {
    normalize(w.norm, x, projection_, rows);
    x = projection_;
  }
  for (int64_t first = 0; first < rows; first += logit_rows_) {
    const int64_t count = std::min(logit_rows_, rows - first);
    multiply(w.output, {x.row(first), x.stride}, count, Epilogue::kNone, Matrix(), logits_,
             cancelled);
    if (cancelled.load(std::memory_order_relaxed)) return;
    write_logits(first, count, output);
  }
}

// What is in logits_, which are those of rows from `first_row` on.
void Encoder::write_logits(int64_t first_row, int64_t rows, const EncodeOutput& output) {
  const int64_t outputs = geometry_.head->outputs;
  parallel_ranges(rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* logits = logits_.row(i);
      const int64_t row = first_row + i;
      if (output.logits != nullptr) std::copy_n(logits, outputs, output.logits + row * outputs);
      if (output.top.count == 0) continue;
      const int64_t at = row * output.top.count;
      find_top_logits(logits, outputs, output.top.count, output.top.columns + at,
                      output.top.values + at);
      output.top.log_sum_exp[row] = log_sum_exp(logits, outputs, output.top.values[at]);
    }
  });
}

}  // namespace fusebert::cpu
