// The register-only multiply-add peak of the processor, which shares of the peak are taken of.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"

namespace fusebert::cpu {

// One instruction set's loop; see peak_loop.h.
struct PeakLoop {
  const char* isa;  // as in Kernels
  int64_t step_flop;
  float (*run)(int64_t steps, float factor, float addend);
};

extern const PeakLoop kScalarPeak;
extern const PeakLoop kAvx2Peak;
extern const PeakLoop kAvx512Peak;
extern const PeakLoop kNeonPeak;

// The loop for a table of kernels' instruction set.
const PeakLoop& peak_loop(const char* isa);

// FLOP a second of all of the pool's threads together, over about `seconds`.
double measure_peak(const PeakLoop& loop, ThreadPool& pool, double seconds);

}  // namespace fusebert::cpu
