// What instructions on bits share.
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa {

using ptx::Type;

/// Sets an integer instruction's function and operands: a result, then sources of these types.
void finish_bits(Builder& builder, Execute execute, std::uint32_t result_bytes,
                 std::initializer_list<Type> sources);

}  // namespace virtual_gpu::isa
