// The forms of add, sub and mad that set the carry flag; arithmetic.cc chooses by ".cc".
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa::extended {

void decode_add_cc(Builder& builder);
void decode_sub_cc(Builder& builder);
void decode_mad_cc(Builder& builder);

}  // namespace virtual_gpu::isa::extended
