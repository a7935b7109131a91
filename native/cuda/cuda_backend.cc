// Loading, and keeping what a model has on its device.
#include "cuda/cuda_backend.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/batch_parts.h"
#include "core/fixed_queue.h"
#include "cuda/encoder/device_encoder.h"
#include "cuda/encoder/device_weights.h"

namespace fusebert::cuda {
namespace {

// Enough rows that every multiprocessor of a large GPU has several tiles of each GEMM; the
// workspace of a BERT-Base takes about 15 KiB a token.
constexpr std::int64_t kDefaultMaxBatchTokens = 16384;

// Of a part: 128 MiB, twice on the device and twice on the host; the logits of more than 500 tokens
// and a vocabulary of 65,536.
constexpr std::int64_t kMaxLogits = std::int64_t{1} << 25;

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

  // One is computed while the next waits for the device.
  std::size_t max_submitted() const override { return kMaxSubmitted; }

  void submit(const PackedBatch& batch, const EncodeOutput& output,
              const std::atomic<bool>& cancelled) override {
    Submitted& mine = submitted_.emplace_back(batch, output, cancelled);
    try {
      begin(mine);
    } catch (const std::bad_alloc&) {
      abandon(mine);
    }
  }

  BatchResult wait() override {
    Submitted& oldest = submitted_.front();
    BatchResult result;
    try {
      finish(oldest);
      result.status = oldest.progress.status;
      if (result.status.code() == StatusCode::kNotFinite) result = name_sequence(oldest);
    } catch (const std::bad_alloc&) {
      abandon(oldest);
      result = {no_memory()};
    }
    submitted_.pop_front();
    return result;
  }

  void trim() override { encoder_.reset(); }

 private:
  static constexpr std::size_t kMaxSubmitted = 2;

  // A batch that is not waited for yet.
  struct Submitted {
    PackedBatch batch;
    EncodeOutput output;
    BatchProgress progress;

    Submitted(const PackedBatch& packed, const EncodeOutput& wanted,
              const std::atomic<bool>& cancelled)
        : batch(packed), output(wanted), progress(cancelled) {}
  };

  Status plan();
  void begin(Submitted& mine);
  Status queue_parts(Submitted& mine);
  void finish(Submitted& oldest);
  void abandon(Submitted& mine);
  Status settle(const Status& failure);
  Status run_alone(const Submitted& of, std::int64_t first, std::int64_t last);
  BatchResult name_sequence(const Submitted& found);

  // In the order in which they may go: the last first.
  const ContextPointer context_;
  const Geometry geometry_;
  const BudgetPointer budget_;
  KernelSet kernels_;
  DeviceWeights weights_;
  std::unique_ptr<DeviceEncoder> encoder_;  // null before plan() and after trim()
  std::int64_t max_tokens_ = 0;             // of a part
  std::optional<BatchParts> parts_;
  FixedQueue<Submitted> submitted_{kMaxSubmitted};  // oldest first
  BackendDescription description_;
};

// Without memory for parts of as many tokens as are wanted, half as many must do.
Status CudaBackend::plan() {
  if (encoder_ != nullptr) return Status();
  const auto create = [&](std::int64_t tokens) {
    return DeviceEncoder::create(context_, geometry_, kernels_, weights_, tokens, budget_);
  };
  std::int64_t tokens = max_tokens_;
  const std::int64_t fewer = std::max(geometry_.max_sequence_length(), tokens / 2);
  auto encoder = create(tokens);
  if (encoder.status().code() == StatusCode::kOutOfMemory && fewer < tokens) {
    tokens = fewer;
    encoder = create(tokens);
  }
  if (!encoder.ok()) return encoder.status();
  encoder_ = std::move(encoder.value());
  max_tokens_ = tokens;
  parts_.emplace(tokens, geometry_, kMaxLogits);
  return Status();
}

void CudaBackend::begin(Submitted& mine) {
  const Status state = context_->state();
  if (!state.ok()) return mine.progress.fail(state);
  const ContextScope scope(*context_);
  Status status = scope.status();
  if (status.ok()) status = context_->examine(plan());
  if (status.ok()) status = queue_parts(mine);
  mine.progress.fail(status);
}

// After a failure nothing is under way any more.
Status CudaBackend::queue_parts(Submitted& mine) {
  const bool idle = encoder_->idle();
  const auto submit = [&](const PackedBatch& part, const EncodeOutput& out) {
    const bool alone = idle && part.total_tokens() == mine.batch.total_tokens();
    return encoder_->submit(part, out, mine.progress, alone);
  };
  const Status status =
      parts_->for_each(mine.batch, mine.output, mine.progress.cancelled, submit);
  return status.ok() ? status : settle(status);
}

// Where memory has run out on the way: nothing is under way any more, and every batch that was has
// failed.
void CudaBackend::abandon(Submitted& mine) {
  mine.progress.fail(no_memory());
  const ContextScope scope(*context_);
  if (encoder_ != nullptr) encoder_->abandon();
}

// Until no part of the batch is under way. Parts of earlier batches come by first.
void CudaBackend::finish(Submitted& oldest) {
  if (oldest.progress.parts_under_way > 0) {
    const ContextScope scope(*context_);
    Status status = scope.status();
    if (!status.ok()) encoder_->drop(status);
    while (status.ok() && oldest.progress.parts_under_way > 0) {
      status = encoder_->deliver();
      if (!status.ok()) status = settle(status);
    }
  }
  // Whatever call it was that failed: what is told is how the context was lost.
  const Status lost = context_->state();
  Status& status = oldest.progress.status;
  if (status.code() == StatusCode::kDeviceFailed && !lost.ok()) status = lost;
}

// Waits until nothing is under way, and returns what is to be told of the failure.
Status CudaBackend::settle(const Status& failure) {
  const Status drained = encoder_->drain();
  const bool device_failed = failure.code() == StatusCode::kDeviceFailed;
  return context_->examine(drained.ok() || device_failed ? failure : drained);
}

// Sequences [first, last) of a batch, for nothing but how they end: what goes through a head does
// again, and its largest logits are dropped.
Status CudaBackend::run_alone(const Submitted& of, std::int64_t first, std::int64_t last) {
  std::vector<std::int32_t> cu_seqlens, columns;
  std::vector<float> values, log_sum_exp;
  const PackedBatch batch = sequences_of(of.batch, first, last, cu_seqlens);
  EncodeOutput output;
  if (of.output.wants_head()) {
    output.head_token = of.output.head_token;
    const auto rows = static_cast<std::size_t>(
        count_head_rows(*geometry_.head, batch, output.head_token));
    columns.resize(rows);
    values.resize(rows);
    log_sum_exp.resize(rows);
    output.top = {1, columns.data(), values.data(), log_sum_exp.data()};
  }
  Submitted again(batch, output, of.progress.cancelled);
  begin(again);
  finish(again);
  return again.progress.status;
}

// Runs halves of halves of a batch of which some activations are not finite, until one sequence is
// left: the first that has such ones, by whatever else it is accompanied.
BatchResult CudaBackend::name_sequence(const Submitted& found) {
  std::int64_t begin = 0, end = found.batch.batch_size();
  while (end - begin > 1) {
    const std::int64_t middle = begin + (end - begin) / 2;
    const Status status = run_alone(found, begin, middle);
    if (!status.ok() && status.code() != StatusCode::kNotFinite) return {status};
    (status.ok() ? begin : end) = middle;
  }
  const Status alone = run_alone(found, begin, end);
  if (alone.ok()) return {found.progress.status};
  if (alone.code() != StatusCode::kNotFinite) return {alone};
  return {alone, begin};
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
