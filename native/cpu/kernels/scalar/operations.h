// The scalar kernels: plain C++ for any processor, and the reference that the others are tested
// against. See kernels/kernels.h for each.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::scalar {

// The register tile: 4 × 8 sums, which compilers keep in 8 SSE2 or NEON registers.
inline constexpr int64_t kTileRows = 4;
inline constexpr int64_t kPanelWidth = 8;

void pack_panel(const float* rows, int64_t width, int64_t k, float* panel);
void gemm(const GemmArguments& arguments, const GemmRange& range);
void layer_norm(const LayerNormArguments& arguments, int64_t row_begin, int64_t row_end);
void embed(const EmbeddingArguments& arguments, int64_t row_begin, int64_t row_end);
int64_t attention_scratch_floats(int64_t sequence_length, int64_t head_dim);
void attention(const AttentionArguments& arguments, int64_t head, int64_t row_begin,
               int64_t row_end, float* scratch);
void reduce_rows(const ReduceArguments& arguments, float* out);
void l2_normalize(float* row, int64_t columns);

}  // namespace fusebert::cpu::scalar
