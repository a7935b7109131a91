// The NEON kernels, to be gathered in a table by kernels.cc. See kernels/kernels.h for each.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu::neon {

void pack_panel(const float* rows, int64_t width, int64_t k, float* panel);
void gemm(const GemmArguments& arguments, const GemmRange& range);
void layer_norm(const LayerNormArguments& arguments, int64_t row_begin, int64_t row_end);
void embed(const EmbeddingArguments& arguments, int64_t row_begin, int64_t row_end);
int64_t attention_scratch_floats(int64_t sequence_length, int64_t head_dim);
void attention(const AttentionArguments& arguments, int64_t head, int64_t row_begin,
               int64_t row_end, float* scratch);
void reduce_rows(const ReduceArguments& arguments, float* out);
void l2_normalize(float* row, int64_t columns);

}  // namespace fusebert::cpu::neon
