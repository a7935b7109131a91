// Special registers: %tid, %ctaid, %laneid, … (PTX ISA, chapter "Special Registers").
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa::special {

/// Decodes a mov from a special register; false if operand 1 is none.
bool decode(Builder& builder, ptx::Type type);

}  // namespace virtual_gpu::isa::special
