// What may follow pooling: the modules of sentence-transformers that make one vector of another.
// The tensors of layer i are pooled.<i>.weight and pooled.<i>.bias.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "model/weights.h"

namespace fusebert {

enum class PooledLayerKind {
  kDense,      // activation(W·x + b)
  kLayerNorm,  // with torch.nn.LayerNorm's epsilon
  kNormalize,  // x / max(‖x‖₂, 1e-12)
};

enum class PooledActivation { kNone, kTanh, kGelu, kRelu, kSilu };

struct PooledLayerSpec {
  PooledLayerKind kind = PooledLayerKind::kNormalize;
  int64_t inputs = 0;
  int64_t outputs = 0;  // as many as inputs, but of kDense
  bool bias = false;    // of kDense
  PooledActivation activation = PooledActivation::kNone;
};

inline constexpr int64_t kMaxPooledLayers = 16;
inline constexpr int64_t kMaxPooledColumns = int64_t{1} << 17;

// kConfig when there are too many, or a layer does not take what the one before it puts out.
Status validate(const std::vector<PooledLayerSpec>& layers);

std::vector<TensorRequirement> required_tensors(const std::vector<PooledLayerSpec>& layers);

}  // namespace fusebert
