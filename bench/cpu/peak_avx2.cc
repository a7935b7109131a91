// The multiply-add peak with AVX2.
#include "cpu/kernels/avx2/vec.h"
// Vec comes first: the template is written in its operations.
#include "cpu/peak_loop.h"

#include "cpu/peak.h"

namespace fusebert::cpu {
namespace {

// 12 chains: more than the 8 that two units of latency 4 need, fewer than the 16 registers.
constexpr int kChains = 12;

}  // namespace

extern const PeakLoop kAvx2Peak = {"avx2", 2 * kChains * Vec::kWidth, run_chains<Vec, kChains>};

}  // namespace fusebert::cpu
