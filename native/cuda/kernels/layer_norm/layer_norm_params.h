// What the LayerNorm and embedding kernels are given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

// out = (x - mean) / √(variance + epsilon) · gamma + beta, over each row of x [*rows, columns].
struct LayerNormParams {
  const void* in = nullptr;       // [*rows, columns], 16-bit numbers; may be `out`
  void* out = nullptr;            // [*rows, columns]
  const float* gamma = nullptr;   // [columns]
  const float* beta = nullptr;    // [columns]
  const std::int32_t* rows = nullptr;
  // The least `place` whose rows held NaN or infinity; whoever reads it sets it to more before.
  std::int32_t* overflow = nullptr;
  std::int32_t place = 0;
  std::int32_t columns = 0;       // a multiple of 8
  float epsilon = 0.0f;
};

// The x of LayerNormParams is words[id] + positions[position] + types[type] here, summed in fp32.
struct EmbeddingParams {
  const void* words = nullptr;      // [vocab_size, columns], 16-bit numbers
  const void* positions = nullptr;  // [max_position_embeddings, columns]
  const void* types = nullptr;      // [type_vocab_size, columns]; null: there are none
  const std::int32_t* ids = nullptr;           // [*rows]
  const std::int32_t* position_ids = nullptr;  // [*rows]
  const std::int32_t* type_ids = nullptr;      // [*rows]
  LayerNormParams norm;             // its `in` is not used
};

}  // namespace fusebert::cuda
