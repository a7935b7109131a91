// Choosing kernels and loading.
#include "cpu/cpu_backend.h"

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "backend/batch_parts.h"
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
    parts_.emplace(max_batch_tokens, geometry_);
    return Status();
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }

  void submit(const PackedBatch& batch, const EncodeOutput& output,
              const std::atomic<bool>& cancelled) override {
    try {
      status_ = parts_->for_each(batch, output, cancelled,
                                 [&](const PackedBatch& part, const EncodeOutput& out) {
                                   return encoder_->run(part, out, cancelled);
                                 });
    } catch (const std::bad_alloc&) {
      status_ = no_memory();
    }
  }
  BatchResult wait() override { return {std::exchange(status_, Status())}; }

 private:
  const Geometry geometry_;
  const EncoderWeights weights_;
  BackendDescription description_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<BatchParts> parts_;  // the workspace never grows, and no result depends on it
  Status status_;                    // of the batch that is not waited for yet
};

}  // namespace

Result<std::unique_ptr<Backend>> load_cpu_backend(const BackendOptions& options,
                                                  const Geometry& geometry,
                                                  const WeightTable& weights) {
  FUSEBERT_RETURN_IF_ERROR(validate(options));
  const auto kernels = select_kernels();
  if (!kernels.ok()) return kernels.status();
  const int threads =
      options.threads > 0 ? options.threads : default_thread_count(read_thread_limits());
  const std::shared_ptr<ThreadPool> pool = ThreadPool::shared(threads);
  auto loaded = load_encoder_weights(geometry, weights, *kernels.value(), *pool);
  if (!loaded.ok()) return loaded.status();
  const int64_t max_batch_tokens = batch_tokens(options, kDefaultMaxBatchTokens, geometry);
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
