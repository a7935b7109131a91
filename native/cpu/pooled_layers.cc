// Rows go through all layers in small blocks, each on one thread, so that what is between two
// layers stays in a cache.
#include "cpu/pooled_layers.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/thread_count.h"
#include "core/thread_pool.h"
#include "cpu/aligned_buffer.h"
#include "cpu/dispatch.h"
#include "cpu/encoder_weights.h"

namespace fusebert::cpu {
namespace {

constexpr int64_t kBlockRows = 32;
constexpr float kLayerNormEps = 1e-5f;  // torch.nn.LayerNorm's
// A multiple of every table's panel.
constexpr int64_t kWidestPanel = 32;

// Rows an odd number of cache lines apart, with room for whole panels.
int64_t row_stride(int64_t columns) { return round_up(columns, kWidestPanel) + kCacheLineFloats; }

Epilogue epilogue_of(PooledActivation activation) {
  switch (activation) {
    case PooledActivation::kNone:
      return Epilogue::kNone;
    case PooledActivation::kTanh:
      return Epilogue::kTanh;
    case PooledActivation::kGelu:
      return Epilogue::kGelu;
    case PooledActivation::kRelu:
      return Epilogue::kRelu;
    case PooledActivation::kSilu:
      return Epilogue::kSilu;
  }
  return Epilogue::kNone;
}

struct Layer {
  PooledLayerSpec spec;
  AlignedBuffer memory;  // what the following point into
  Linear linear;
  LayerNorm norm;
};

Status load_dense(const std::string& name, const WeightTable& weights, const Kernels& kernels,
                  Layer& layer) {
  const PooledLayerSpec& spec = layer.spec;
  const int64_t width = kernels.gemm_panel_width;
  Linear& linear = layer.linear;
  linear.inputs = spec.inputs;
  linear.outputs = spec.outputs;
  linear.panel_count = (spec.outputs + width - 1) / width;
  const int64_t panel_floats = round_up(spec.inputs * width, kCacheLineFloats);
  auto memory = AlignedBuffer::allocate(linear.panel_count * (panel_floats + width));
  if (!memory.ok()) return memory.status();
  layer.memory = std::move(memory.value());
  linear.panels = layer.memory.data();
  linear.bias = linear.panels + linear.panel_count * spec.inputs * width;
  std::fill(linear.bias, linear.bias + linear.panel_count * width, 0.0f);
  if (spec.bias) FUSEBERT_RETURN_IF_ERROR(weights.copy_rows(name + ".bias", 0, 1, linear.bias));
  auto rows = AlignedBuffer::allocate(width * spec.inputs);
  if (!rows.ok()) return rows.status();
  for (int64_t panel = 0; panel < linear.panel_count; ++panel) {
    const int64_t first = panel * width, count = std::min(width, spec.outputs - first);
    FUSEBERT_RETURN_IF_ERROR(
        weights.copy_rows(name + ".weight", first, count, rows.value().data()));
    kernels.pack_panel(rows.value().data(), count, spec.inputs,
                       linear.panels + panel * spec.inputs * width);
  }
  return Status();
}

Status load_norm(const std::string& name, const WeightTable& weights, Layer& layer) {
  const int64_t stride = round_up(layer.spec.inputs, kCacheLineFloats);
  auto memory = AlignedBuffer::allocate(2 * stride);
  if (!memory.ok()) return memory.status();
  layer.memory = std::move(memory.value());
  layer.norm = {layer.memory.data(), layer.memory.data() + stride};
  FUSEBERT_RETURN_IF_ERROR(weights.copy_rows(name + ".weight", 0, 1, layer.norm.gamma));
  return weights.copy_rows(name + ".bias", 0, 1, layer.norm.beta);
}

class CpuPooledLayers final : public PooledLayers {
 public:
  CpuPooledLayers(const Kernels& kernels, std::shared_ptr<ThreadPool> pool,
                  std::vector<Layer> layers)
      : kernels_(kernels), pool_(std::move(pool)), layers_(std::move(layers)) {}

  // Room for two blocks a thread, between which rows go to and fro.
  Status plan() {
    int64_t widest = 0;
    for (const Layer& layer : layers_) {
      widest = std::max({widest, layer.spec.inputs, layer.spec.outputs});
    }
    if (widest == 0) return Status();
    block_floats_ = kBlockRows * row_stride(widest);
    auto memory = AlignedBuffer::allocate(2 * block_floats_ * pool_->size());
    if (!memory.ok()) return memory.status();
    blocks_ = std::move(memory.value());
    return Status();
  }

  bool takes(int64_t columns) const override {
    return layers_.empty() || layers_.front().spec.inputs == columns;
  }
  int64_t outputs(int64_t columns) const override {
    return layers_.empty() ? columns : layers_.back().spec.outputs;
  }

  void run(const float* in, int64_t rows, int64_t columns, bool layers, bool normalize,
           float* out) override {
    const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
    const int64_t threads = std::min<int64_t>(blocks, pool_->size());
    const int64_t width = layers ? outputs(columns) : columns;
    pool_->run(threads, [&](int64_t thread) {
      for (int64_t block = thread; block < blocks; block += threads) {
        const int64_t first = block * kBlockRows;
        const int64_t count = std::min(kBlockRows, rows - first);
        float* to = out + first * width;
        if (layers && !layers_.empty()) {
          apply(in + first * columns, count, columns, thread, to);
        } else {
          std::copy_n(in + first * columns, count * columns, to);
        }
        if (!normalize) continue;
        for (int64_t row = 0; row < count; ++row) kernels_.l2_normalize(to + row * width, width);
      }
    });
  }

 private:
  void apply(const float* in, int64_t rows, int64_t columns, int64_t thread, float* out) const {
    float* x = blocks_.data() + 2 * thread * block_floats_;
    float* y = x + block_floats_;
    int64_t stride = row_stride(columns);
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(in + row * columns, columns, x + row * stride);
    }
    for (const Layer& layer : layers_) {
      const PooledLayerSpec& spec = layer.spec;
      if (spec.kind == PooledLayerKind::kDense) {
        const int64_t next = row_stride(spec.outputs);
        const Linear& w = layer.linear;
        kernels_.gemm({x, w.panels, w.bias, nullptr, y, spec.inputs, stride, 0, next,
                       epilogue_of(spec.activation)},
                      {0, rows, 0, w.panel_count});
        std::swap(x, y);
        stride = next;
      } else if (spec.kind == PooledLayerKind::kLayerNorm) {
        kernels_.layer_norm({x, x, layer.norm.gamma, layer.norm.beta, spec.inputs, stride, stride,
                             kLayerNormEps},
                            0, rows);
      } else {
        for (int64_t row = 0; row < rows; ++row) {
          kernels_.l2_normalize(x + row * stride, spec.inputs);
        }
      }
    }
    const int64_t width = layers_.back().spec.outputs;
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(x + row * stride, width, out + row * width);
    }
  }

  const Kernels& kernels_;
  const std::shared_ptr<ThreadPool> pool_;
  const std::vector<Layer> layers_;
  AlignedBuffer blocks_;  // [threads, 2, block_floats_]
  int64_t block_floats_ = 0;
};

}  // namespace

Result<std::unique_ptr<PooledLayers>> load_pooled_layers(
    const BackendOptions& options, const std::vector<PooledLayerSpec>& specs,
    const WeightTable& weights) {
  const auto kernels = select_kernels();
  if (!kernels.ok()) return kernels.status();
  const int threads =
      options.threads > 0 ? options.threads : default_thread_count(read_thread_limits());
  std::vector<Layer> layers;
  for (const PooledLayerSpec& spec : specs) {
    const std::string name = "pooled." + std::to_string(layers.size());
    Layer& layer = layers.emplace_back();
    layer.spec = spec;
    if (spec.kind == PooledLayerKind::kDense) {
      FUSEBERT_RETURN_IF_ERROR(load_dense(name, weights, *kernels.value(), layer));
    } else if (spec.kind == PooledLayerKind::kLayerNorm) {
      FUSEBERT_RETURN_IF_ERROR(load_norm(name, weights, layer));
    }
  }
  auto loaded = std::make_unique<CpuPooledLayers>(*kernels.value(), ThreadPool::shared(threads),
                                                  std::move(layers));
  FUSEBERT_RETURN_IF_ERROR(loaded->plan());
  return std::unique_ptr<PooledLayers>(std::move(loaded));
}

}  // namespace fusebert::cpu
