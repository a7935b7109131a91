// Attention for NEON; see kernels/vector/attention.h.
#include "cpu/kernels/neon/operations.h"
#include "cpu/kernels/neon/vec.h"
// Vec comes first: the templates are written in its operations.
#include "cpu/kernels/vector/attention.h"

namespace fusebert::cpu::neon {

int64_t attention_scratch_floats(int64_t sequence_length, int64_t head_dim) {
  return attention_scratch<Vec>(sequence_length, head_dim);
}

void attention(const AttentionArguments& arguments, int64_t head, int64_t row_begin,
               int64_t row_end, float* scratch) {
  attend<Vec>(arguments, head, row_begin, row_end, scratch);
}

}  // namespace fusebert::cpu::neon
