// Member masks: how instructions of a warp wait for all lanes that take part.
#pragma once

#include "machine/warp.h"

namespace virtual_gpu::isa {

/// The member mask of these lanes; faults where a lane is not in its own.
LaneMask member_mask(Warp& warp, const Op& op, const Operand& operand, LaneMask mask);

/// Flow::kNext once all living members have come, else the instruction returns what this returns.
/// Where lanes of `mask` have different members, it is narrowed to those of one group; the others
/// stay at the instruction.
Flow members_here(Warp& warp, const Op& op, const Operand& operand, LaneMask& mask);

}  // namespace virtual_gpu::isa
