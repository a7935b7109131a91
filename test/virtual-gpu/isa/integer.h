// Integer forms of opcodes that floating-point types share; arithmetic.cc chooses by type.
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa::integer {

void decode_add(Builder& builder);
void decode_sub(Builder& builder);
void decode_mul(Builder& builder);
void decode_mad(Builder& builder);
void decode_div(Builder& builder);
void decode_abs(Builder& builder);
void decode_neg(Builder& builder);
void decode_min(Builder& builder);
void decode_max(Builder& builder);

}  // namespace virtual_gpu::isa::integer
