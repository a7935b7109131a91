// What ld and st share with the parameters of functions, which lie in registers of a frame.
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa::parameter {

/// Whether the address names a parameter or result of a function, not of the kernel.
bool is_in_frame(const Builder& builder, const ptx::Operand& address);

/// ld.param and st.param of such a parameter: `count` elements of the type.
void decode_load(Builder& builder, ptx::Type type, std::uint32_t count);
void decode_store(Builder& builder, ptx::Type type, std::uint32_t count);

}  // namespace virtual_gpu::isa::parameter
