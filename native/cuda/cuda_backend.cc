// Loading, and keeping what a model has on its device.
#include "cuda/cuda_backend.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/batch_parts.h"
#include "cuda/encoder/device_encoder.h"
#include "cuda/encoder/device_weights.h"

namespace fusebert::cuda {
namespace {

// Enough rows that every multiprocessor of a large GPU has several tiles of each GEMM; the
// workspace of a BERT-Base takes about 15 KiB a token.
constexpr std::int64_t kDefaultMaxBatchTokens = 16384;

class CudaBackend final : public Backend {
 public:
  CudaBackend(ContextPointer context, const Geometry& geometry, std::int64_t max_device_bytes)
      : context_(std::move(context)),
        geometry_(geometry),
        budget_(std::make_shared<MemoryBudget>(max_device_bytes)) {}

  Status load(const BackendOptions& options, CudaType type, const ModuleSource& modules,
              const WeightTable& table) {
    auto kernels = KernelSet::load(context_, geometry_, modules);
    if (!kernels.ok()) return kernels.status();
    kernels_ = std::move(kernels.value());
    auto stream = create_stream(context_);
    if (!stream.ok()) return stream.status();
    auto weights =
        DeviceWeights::load(context_, stream.value(), kernels_, geometry_, table, budget_);
    if (!weights.ok()) return weights.status();
    weights_ = std::move(weights.value());
    max_tokens_ = batch_tokens(options, kDefaultMaxBatchTokens, geometry_);
    FUSEBERT_RETURN_IF_ERROR(plan());
    description_.device = "cuda:" + std::to_string(context_->ordinal());
    description_.name = context_->name();
    description_.isa = "sm_" + std::to_string(context_->architecture());
    description_.dtype = type == CudaType::kFp16 ? "fp16" : "bf16";
    description_.weight_bytes = weights_.bytes;
    description_.max_batch_tokens = max_tokens_;
    return Status();
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }

  Status encode(const PackedBatch& batch, const EncodeOutput& output,
                const std::atomic<bool>& cancelled) override {
    FUSEBERT_RETURN_IF_ERROR(context_->state());
    const ContextScope scope(*context_);
    FUSEBERT_RETURN_IF_ERROR(scope.status());
    FUSEBERT_RETURN_IF_ERROR(context_->examine(plan()));
    const Status status = run(batch, output, cancelled);
    if (status.code() != StatusCode::kNotFinite) return status;
    return name_sequence(batch, cancelled, status);
  }

  void trim() override { encoder_.reset(); }

 private:
  Status plan();
  Status run(const PackedBatch& batch, const EncodeOutput& output,
             const std::atomic<bool>& cancelled);
  Status name_sequence(const PackedBatch& batch, const std::atomic<bool>& cancelled,
                       const Status& found);

  // In the order in which they may go: the last first.
  const ContextPointer context_;
  const Geometry geometry_;
  const BudgetPointer budget_;
  KernelSet kernels_;
  DeviceWeights weights_;
  std::unique_ptr<DeviceEncoder> encoder_;  // null before plan() and after trim()
  std::int64_t max_tokens_ = 0;             // of a part
  std::optional<BatchParts> parts_;
  BackendDescription description_;
};

// Without memory for parts of as many tokens as are wanted, half as many must do.
Status CudaBackend::plan() {
  if (encoder_ != nullptr) return Status();
  const auto create = [&](std::int64_t tokens) {
    return DeviceEncoder::create(context_, geometry_, kernels_, weights_, tokens, budget_);
  };
  std::int64_t tokens = max_tokens_;
  const std::int64_t fewer = std::max(geometry_.max_position_embeddings, tokens / 2);
  auto encoder = create(tokens);
  if (encoder.status().code() == StatusCode::kOutOfMemory && fewer < tokens) {
    tokens = fewer;
    encoder = create(tokens);
  }
  if (!encoder.ok()) return encoder.status();
  encoder_ = std::move(encoder.value());
  max_tokens_ = tokens;
  parts_.emplace(tokens, geometry_);
  return Status();
}

// On every way out nothing of the batch is under way any more.
Status CudaBackend::run(const PackedBatch& batch, const EncodeOutput& output,
                        const std::atomic<bool>& cancelled) {
  encoder_->begin(batch.total_tokens() <= max_tokens_);
  Status status = parts_->for_each(
      batch, output, cancelled, [&](const PackedBatch& part, const EncodeOutput& out) {
        return encoder_->submit(part, out, cancelled);
      });
  if (status.ok()) status = encoder_->finish(cancelled);
  if (status.ok()) return status;
  const Status drained = encoder_->drain();
  const bool device_failed = status.code() == StatusCode::kDeviceFailed;
  return context_->examine(drained.ok() || device_failed ? status : drained);
}

// Runs halves of halves of a batch of which some activations are not finite, until one sequence is
// left: the first that has such ones, by whatever else it is accompanied.
Status CudaBackend::name_sequence(const PackedBatch& batch, const std::atomic<bool>& cancelled,
                                  const Status& found) {
  std::vector<std::int32_t> cu_seqlens;
  std::int64_t begin = 0, end = batch.batch_size();
  const auto run_only = [&](std::int64_t first, std::int64_t last) {
    return run(sequences_of(batch, first, last, cu_seqlens), EncodeOutput(), cancelled);
  };
  while (end - begin > 1) {
    const std::int64_t middle = begin + (end - begin) / 2;
    const Status status = run_only(begin, middle);
    if (!status.ok() && status.code() != StatusCode::kNotFinite) return status;
    (status.ok() ? begin : end) = middle;
  }
  const Status alone = run_only(begin, end);
  if (alone.ok()) return found;
  if (alone.code() != StatusCode::kNotFinite) return alone;
  return Status(alone.code(), alone.message() + " The first such sequence is number " +
                                  std::to_string(begin) + " of its batch, counted from 0.");
}

}  // namespace

Result<std::unique_ptr<Backend>> load_cuda_backend(const BackendOptions& options,
                                                   const ContextPointer& context, CudaType type,
                                                   const ModuleSource& modules,
                                                   const Geometry& geometry,
                                                   const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(validate(options));
  FUSEBERT_RETURN_IF_ERROR(check_runs(geometry));
  FUSEBERT_RETURN_IF_ERROR(context->state());
  auto backend = std::make_unique<CudaBackend>(context, geometry, options.max_device_bytes);
  const ContextScope scope(*context);
  FUSEBERT_RETURN_IF_ERROR(scope.status());
  const Status loaded = backend->load(options, type, modules, weights);
  FUSEBERT_RETURN_IF_ERROR(context->examine(loaded));
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace fusebert::cuda
