// Counting what an access of memory costs, and the least that its bytes could.
#pragma once

#include <cstdint>

#include "machine/counters.h"
#include "machine/warp.h"

namespace virtual_gpu {

/// Adds the sectors of global memory that these lanes touch; `addresses`, of 32 lanes.
void count_sectors(OpCounter& counter, LaneMask mask, const std::uint64_t* addresses,
                   std::uint32_t bytes);
/// Adds the passes through shared memory's 32 banks: one word of a bank each.
void count_wavefronts(OpCounter& counter, LaneMask mask, const std::uint64_t* offsets,
                      std::uint32_t bytes);

}  // namespace virtual_gpu
