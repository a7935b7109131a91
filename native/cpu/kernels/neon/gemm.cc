// The matrix product for NEON; see kernels/vector/gemm.h.
#include "cpu/kernels/neon/operations.h"
#include "cpu/kernels/neon/vec.h"
// Vec comes first: the templates are written in its operations.
#include "cpu/kernels/vector/gemm.h"

namespace fusebert::cpu::neon {

void pack_panel(const float* rows, int64_t width, int64_t k, float* panel) {
  pack_rows<Vec>(rows, k, width, k, panel);
}

void gemm(const GemmArguments& arguments, const GemmRange& range) {
  gemm_range<Vec>(arguments, range);
}

}  // namespace fusebert::cpu::neon
