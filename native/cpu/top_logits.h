// The largest of a row of logits, and the logarithm of the sum of their exponentials.
#pragma once

#include <cstdint>

namespace fusebert::cpu {

// The `count` largest of logits [columns], 1 ≤ count ≤ min(TopLogits::kMost, columns): their
// columns and themselves, falling, equal ones by rising column; NaN comes after all numbers.
void find_top_logits(const float* logits, int64_t columns, int32_t count, int32_t* top_columns,
                     float* top_values);

// log Σ exp(logits[i]), of which `largest` is the largest.
float log_sum_exp(const float* logits, int64_t columns, float largest);

}  // namespace fusebert::cpu
