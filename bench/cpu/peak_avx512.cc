// The multiply-add peak with AVX-512.
#include "cpu/kernels/avx512/vec.h"
// Vec comes first: the template is written in its operations.
#include "cpu/peak_loop.h"

#include "cpu/peak.h"

namespace fusebert::cpu {
namespace {

// 24 chains: more than the 8 that two units of latency 4 need, fewer than the 32 registers.
constexpr int kChains = 24;

}  // namespace

extern const PeakLoop kAvx512Peak = {"avx512", 2 * kChains * Vec::kWidth, run_chains<Vec, kChains>};

}  // namespace fusebert::cpu
