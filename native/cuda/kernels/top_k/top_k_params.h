// What the top_k kernel is given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

// Threads of a block, which has a row.
inline constexpr int kTopKThreads = 512;

// Of each row of logits: the columns of the `count` largest, falling, equal ones by rising column,
// the numbers there, and log Σ exp over the whole row. NaN comes after all numbers.
struct TopKParams {
  const float* logits = nullptr;       // [*rows, columns]
  const std::int32_t* rows = nullptr;  // how many; blocks past them end
  std::int32_t* top_columns = nullptr;  // [*rows, count]
  float* top_values = nullptr;          // [*rows, count]
  float* log_sum_exp = nullptr;         // [*rows]
  std::int32_t columns = 0;             // at most 2^24
  std::int32_t count = 0;               // at least 1, at most `columns`
};

}  // namespace fusebert::cuda
