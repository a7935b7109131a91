// Whether layers after the pooling fit each other, and their tensors.
#include "model/pooled_layers.h"

#include <string>

namespace fusebert {

Status validate(const std::vector<PooledLayerSpec>& layers) {
  if (static_cast<int64_t>(layers.size()) > kMaxPooledLayers) {
    return Status(StatusCode::kConfig, "Expected at most " + std::to_string(kMaxPooledLayers) +
                                           " layers after the pooling.");
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const PooledLayerSpec& layer = layers[i];
    const bool keeps = layer.kind != PooledLayerKind::kDense;
    if (layer.inputs < 1 || layer.inputs > kMaxPooledColumns || layer.outputs < 1 ||
        layer.outputs > kMaxPooledColumns || (keeps && layer.inputs != layer.outputs) ||
        (i > 0 && layer.inputs != layers[i - 1].outputs)) {
      return Status(StatusCode::kConfig, "Expected layer " + std::to_string(i) +
                                             " after the pooling to take what is before it.");
    }
  }
  return Status();
}

std::vector<TensorRequirement> required_tensors(const std::vector<PooledLayerSpec>& layers) {
  std::vector<TensorRequirement> list;
  for (size_t i = 0; i < layers.size(); ++i) {
    const PooledLayerSpec& layer = layers[i];
    const std::string name = "pooled." + std::to_string(i);
    if (layer.kind == PooledLayerKind::kNormalize) continue;
    const bool dense = layer.kind == PooledLayerKind::kDense;
    if (dense) list.push_back({name + ".weight", {layer.outputs, layer.inputs}});
    else list.push_back({name + ".weight", {layer.inputs}});
    if (!dense || layer.bias) list.push_back({name + ".bias", {layer.outputs}});
  }
  return list;
}

}  // namespace fusebert
