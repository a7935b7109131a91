// Pooling and L2 normalisation for AVX-512; see kernels/vector/pooling.h.
#include "cpu/kernels/avx512/operations.h"
#include "cpu/kernels/avx512/vec.h"
// Vec comes first: the templates are written in its operations.
#include "cpu/kernels/vector/pooling.h"

namespace fusebert::cpu::avx512 {

void reduce_rows(const ReduceArguments& arguments, float* out) { reduce<Vec>(arguments, out); }

void l2_normalize(float* row, int64_t columns) { normalize_l2<Vec>(row, columns); }

}  // namespace fusebert::cpu::avx512
