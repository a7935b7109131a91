// Member masks: how instructions of a warp wait for all lanes that take part.
#pragma once

#include "machine/warp.h"

namespace virtual_gpu::isa {

/// The member mask of these lanes; faults where a lane is not in its own.
LaneMask member_mask(Warp& warp, const Op& op, const Operand& operand, LaneMask mask);

/// Narrows `mask` to lanes with the same members, which are returned; the others stay at the
/// instruction.
LaneMask part_by_members(Warp& warp, const Op& op, const Operand& operand, LaneMask& mask);

/// Flow::kNext once all living members have come, else the instruction returns what this returns.
/// `mask` is narrowed as by part_by_members.
Flow members_here(Warp& warp, const Op& op, const Operand& operand, LaneMask& mask);

}  // namespace virtual_gpu::isa
