// Loading, and keeping what a model has on its device.
#include "cuda/cuda_backend.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "backend/batch_parts.h"
#include "cuda/encoder/device_encoder.h"
#include "cuda/encoder/device_weights.h"

namespace fusebert::cuda {
namespace {

// Enough rows that every multiprocessor of a large GPU has several tiles of each GEMM; the
// workspace of a BERT-Base takes about 18 KiB a token.
constexpr std::int64_t kDefaultMaxBatchTokens = 16384;

class CudaBackend final : public Backend {
 public:
  CudaBackend(ContextPointer context, const Geometry& geometry)
      : context_(std::move(context)), geometry_(geometry) {}

  Status load(const BackendOptions& options, CudaType type, const ModuleSource& modules,
              const WeightTable& table) {
    auto stream = create_stream(context_);
    if (!stream.ok()) return stream.status();
    stream_ = std::move(stream.value());
    auto kernels = KernelSet::load(context_, geometry_, modules);
    if (!kernels.ok()) return kernels.status();
    kernels_ = std::move(kernels.value());
    auto weights = DeviceWeights::load(context_, stream_, kernels_, geometry_, table);
    if (!weights.ok()) return weights.status();
    weights_ = std::move(weights.value());
    const std::int64_t max_tokens = batch_tokens(options, kDefaultMaxBatchTokens, geometry_);
    auto encoder =
        DeviceEncoder::create(context_, geometry_, kernels_, weights_, stream_, max_tokens);
    if (!encoder.ok()) return encoder.status();
    encoder_ = std::move(encoder.value());
    parts_.emplace(max_tokens, geometry_);
    description_.device = "cuda:" + std::to_string(context_->ordinal());
    description_.name = context_->name();
    description_.isa = "sm_" + std::to_string(context_->architecture());
    description_.dtype = type == CudaType::kFp16 ? "fp16" : "bf16";
    description_.weight_bytes = weights_.bytes;
    description_.max_batch_tokens = max_tokens;
    return Status();
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }

  Status encode(const PackedBatch& batch, const EncodeOutput& output,
                const std::atomic<bool>& cancelled) override {
    FUSEBERT_RETURN_IF_ERROR(context_->state());
    const ContextScope scope(*context_);
    FUSEBERT_RETURN_IF_ERROR(scope.status());
    const Status status = parts_->for_each(
        batch, output, cancelled, [&](const PackedBatch& part, const EncodeOutput& out) {
          return encoder_->run(part, out, cancelled);
        });
    return context_->examine(status);
  }

 private:
  // In the order in which they may go: the last first.
  const ContextPointer context_;
  const Geometry geometry_;
  Stream stream_;
  KernelSet kernels_;
  DeviceWeights weights_;
  std::unique_ptr<DeviceEncoder> encoder_;
  std::optional<BatchParts> parts_;
  BackendDescription description_;
};

}  // namespace

Result<std::unique_ptr<Backend>> load_cuda_backend(const BackendOptions& options,
                                                   const ContextPointer& context, CudaType type,
                                                   const ModuleSource& modules,
                                                   const Geometry& geometry,
                                                   const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(validate(options));
  FUSEBERT_RETURN_IF_ERROR(check_runs(geometry));
  FUSEBERT_RETURN_IF_ERROR(context->state());
  auto backend = std::make_unique<CudaBackend>(context, geometry);
  const ContextScope scope(*context);
  FUSEBERT_RETURN_IF_ERROR(scope.status());
  const Status loaded = backend->load(options, type, modules, weights);
  FUSEBERT_RETURN_IF_ERROR(context->examine(loaded));
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace fusebert::cuda
