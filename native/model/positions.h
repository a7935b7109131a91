// The position of each token of a batch, which is what its position embedding is looked up by.
#pragma once

#include <cstdint>

#include "core/packed_batch.h"
#include "model/geometry.h"

namespace fusebert {

// Into positions[total_tokens]; each is below max_position_embeddings.
void fill_positions(const Geometry& geometry, const PackedBatch& batch, int32_t* positions);

}  // namespace fusebert
