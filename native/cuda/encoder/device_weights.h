// The weights of an encoder in device memory, in the kernels' type and layout: matrices as PyTorch
// has them, [outputs, inputs], biases and LayerNorms in fp32, all in one allocation.
//
// Heads are padded with zeros to the head_dim that attention's kernels have, and the intermediate
// size to whole vectors. That changes no result: padded queries and keys add nothing to scores,
// padded values and intermediate numbers, which all activations leave zero, meet zero weights. The
// outputs of a head are padded too; nobody reads the padded logits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/encoder/kernel_set.h"
#include "model/geometry.h"
#include "model/weights.h"

namespace fusebert::cuda {

// y = x · weightᵀ + bias.
struct DeviceLinear {
  const void* weight = nullptr;  // [outputs, inputs], 16-bit numbers
  const float* bias = nullptr;   // [outputs]
  std::int32_t outputs = 0;
  std::int32_t inputs = 0;
};

struct DeviceNorm {
  const float* gamma = nullptr;  // [hidden_size]
  const float* beta = nullptr;   // [hidden_size]
};

struct DeviceLayer {
  // Outputs: queries of all heads, then keys, then values, heads padded; so are the inputs of
  // attention_output.
  DeviceLinear query_key_value;
  DeviceLinear attention_output;
  DeviceNorm attention_norm;
  DeviceLinear intermediate;
  DeviceLinear output;
  DeviceNorm output_norm;
};

// The intermediate size with its padding.
std::int64_t padded_intermediate_size(const Geometry& geometry);

// Of model/head.h.
struct DeviceHead {
  DeviceLinear dense;  // outputs = 0 when the head has none
  DeviceNorm norm;     // null when the head has none
  // Outputs padded to padded_outputs(); the weight may be the word embeddings' own memory.
  DeviceLinear output;
};

struct DeviceWeights {
  const void* word_embeddings = nullptr;        // [vocab_size, hidden_size], then padding
  const void* position_embeddings = nullptr;    // [max_position_embeddings, hidden_size]
  const void* token_type_embeddings = nullptr;  // [type_vocab_size, hidden_size]
  DeviceNorm embedding_norm;
  std::vector<DeviceLayer> layers;
  DeviceLinear pooler;  // outputs = 0 when the geometry has none
  DeviceHead head;      // where the geometry has one

  DeviceMemory memory;  // what all of the above points into
  std::int64_t bytes = 0;

  // Uploads every tensor as it is in its file, converts and packs it on the device, and waits.
  // kTensorValue when a number is NaN, infinite, or too large for the kernels' type; the message
  // names the tensor.
  static Result<DeviceWeights> load(const ContextPointer& context, const Stream& stream,
                                    const KernelSet& kernels, const Geometry& geometry,
                                    const WeightTable& table, const BudgetPointer& budget);
};

}  // namespace fusebert::cuda
