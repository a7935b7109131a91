// Pooling and L2 normalisation for NEON; see kernels/vector/pooling.h.
#include "cpu/kernels/neon/operations.h"
#include "cpu/kernels/neon/vec.h"
// Vec comes first: the templates are written in its operations.
#include "cpu/kernels/vector/pooling.h"

namespace fusebert::cpu::neon {

void reduce_rows(const ReduceArguments& arguments, float* out) { reduce<Vec>(arguments, out); }

void l2_normalize(float* row, int64_t columns) { normalize_l2<Vec>(row, columns); }

}  // namespace fusebert::cpu::neon
