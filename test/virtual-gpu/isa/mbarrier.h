// cp.async.mbarrier.arrive: spelt like a copy, done by mbarriers.
#pragma once

#include "isa/registry.h"

namespace virtual_gpu::isa::mbarrier {

void decode_arrive_after_copies(Builder& builder);

}  // namespace virtual_gpu::isa::mbarrier
