// Choosing kernels, loading, and cutting batches to what the workspace holds.
#include "cpu/cpu_backend.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/thread_count.h"
#include "core/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/encoder.h"
#include "cpu/encoder_weights.h"
#include "cpu/processor_name.h"

namespace fusebert::cpu {
namespace {

// Enough rows that weights are read from memory seldom, few enough that the activations of a
// BERT-Base batch (31 KiB a token) stay in a last-level cache of 32 MiB.
constexpr int64_t kDefaultMaxBatchTokens = 1024;

// More is never of use, and a typing error should not start a million threads or ask for
// terabytes.
constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxMaxBatchTokens = int64_t{1} << 20;

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Geometry& geometry, EncoderWeights weights)
      : geometry_(geometry), weights_(std::move(weights)) {}

  Status prepare(const Kernels& kernels, std::shared_ptr<ThreadPool> pool,
                 int64_t max_batch_tokens) {
    description_.device = "cpu";
    description_.name = processor_name();
    description_.isa = kernels.isa;
    description_.dtype = "fp32";
    description_.threads = pool->size();
    description_.weight_bytes = weights_.bytes();
    description_.max_batch_tokens = max_batch_tokens;
    auto encoder = Encoder::create(geometry_, kernels, weights_, std::move(pool), max_batch_tokens);
    if (!encoder.ok()) return encoder.status();
    encoder_ = std::move(encoder.value());
    return Status();
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }

  Status encode(const PackedBatch& batch, const EncodeOutput& output,
                const std::atomic<bool>& cancelled) override {
    if (output.pooler_output != nullptr && !geometry_.has_pooler) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected a checkpoint with pooler.dense for the pooler's output.");
    }
    // Whole sequences, as many as fit: the workspace never grows, and no result depends on it.
    for (int64_t begin = 0; begin < batch.batch_size();) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return Status(StatusCode::kAborted, "The request was cancelled.");
      }
      const int64_t end = part_end(batch, begin);
      FUSEBERT_RETURN_IF_ERROR(encode_part(batch, begin, end, output, cancelled));
      begin = end;
    }
    return Status();
  }

 private:
  int64_t part_end(const PackedBatch& batch, int64_t begin) const {
    const int64_t first = batch.cu_seqlens[static_cast<size_t>(begin)];
    int64_t end = begin + 1;
    while (end < batch.batch_size() && batch.cu_seqlens[static_cast<size_t>(end) + 1] - first <=
                                           description_.max_batch_tokens) {
      ++end;
    }
    return end;
  }

  // Sequences [begin, end) of the batch, with the outputs that belong to them.
  Status encode_part(const PackedBatch& batch, int64_t begin, int64_t end,
                     const EncodeOutput& output, const std::atomic<bool>& cancelled);

  const Geometry geometry_;
  const EncoderWeights weights_;
  BackendDescription description_;
  std::unique_ptr<Encoder> encoder_;
  std::vector<int32_t> cu_seqlens_;  // a part's, from zero
};

Status CpuBackend::encode_part(const PackedBatch& batch, int64_t begin, int64_t end,
                               const EncodeOutput& output, const std::atomic<bool>& cancelled) {
  const auto first_sequence = static_cast<size_t>(begin);
  const auto count = static_cast<size_t>(end - begin);
  const int32_t first_token = batch.cu_seqlens[first_sequence];
  const auto tokens = static_cast<size_t>(batch.cu_seqlens[first_sequence + count] - first_token);
  if (static_cast<int64_t>(tokens) > description_.max_batch_tokens) {
    return Status(StatusCode::kInternal, "A sequence is longer than max_position_embeddings.");
  }
  cu_seqlens_.resize(count + 1);
  for (size_t i = 0; i <= count; ++i) {
    cu_seqlens_[i] = batch.cu_seqlens[first_sequence + i] - first_token;
  }
  const auto token = static_cast<size_t>(first_token);
  const PackedBatch part = {batch.input_ids.subspan(token, tokens),
                            batch.token_type_ids.subspan(token, tokens), cu_seqlens_};
  EncodeOutput out = output;
  const int64_t hidden = geometry_.hidden_size;
  if (out.hidden_states != nullptr) out.hidden_states += first_token * hidden;
  if (out.pooled != nullptr) out.pooled += begin * hidden;
  if (out.pooler_output != nullptr) out.pooler_output += begin * hidden;
  return encoder_->run(part, out, cancelled);
}

Status check_range(const std::string& name, int64_t value, int64_t most) {
  if (value >= 0 && value <= most) return Status();
  return Status(StatusCode::kInvalidArgument, "Expected a whole number from 0 (the default) to " +
                                                  std::to_string(most) + " for " + name +
                                                  " but received " + std::to_string(value) + ".");
}

}  // namespace

Result<std::unique_ptr<Backend>> load_cpu_backend(const BackendOptions& options,
                                                  const Geometry& geometry,
                                                  const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(check_range("threads", options.threads, kMaxThreads));
  FUSEBERT_RETURN_IF_ERROR(
      check_range("max_batch_tokens", options.max_batch_tokens, kMaxMaxBatchTokens));
  const auto kernels = select_kernels();
  if (!kernels.ok()) return kernels.status();
  const int threads =
      options.threads > 0 ? options.threads : default_thread_count(read_thread_limits());
  const std::shared_ptr<ThreadPool> pool = ThreadPool::shared(threads);
  auto loaded = load_encoder_weights(geometry, weights, *kernels.value(), *pool);
  if (!loaded.ok()) return loaded.status();
  // Any single sequence must fit.
  const int64_t wanted =
      options.max_batch_tokens > 0 ? options.max_batch_tokens : kDefaultMaxBatchTokens;
  const int64_t max_batch_tokens = std::max(wanted, geometry.max_position_embeddings);
  auto backend = std::make_unique<CpuBackend>(geometry, std::move(loaded.value()));
  FUSEBERT_RETURN_IF_ERROR(backend->prepare(*kernels.value(), pool, max_batch_tokens));
  return std::unique_ptr<Backend>(std::move(backend));
}

Result<DeviceInfo> cpu_info() {
  const auto kernels = select_kernels();
  if (!kernels.ok()) return kernels.status();
  DeviceInfo info;
  info.device = "cpu";
  info.name = processor_name();
  info.isa = kernels.value()->isa;
  for (const Kernels* table : available_kernels()) info.isas.push_back(table->isa);
  info.threads = default_thread_count(read_thread_limits());
  return info;
}

}  // namespace fusebert::cpu
