// The memory in which a batch's activations live, planned once for the largest batch.
#pragma once

#include <cstdint>

#include "core/status.h"
#include "cuda/driver/resources.h"
#include "model/geometry.h"

namespace fusebert::cuda {

struct Workspace {
  void* hidden = nullptr;           // [max_tokens, hidden_size]
  void* query_key_value = nullptr;  // [max_tokens, 3 · heads · padded head_dim]
  void* context_rows = nullptr;     // [max_tokens, heads · padded head_dim]
  void* projection = nullptr;       // [max_tokens, hidden_size]
  void* intermediate = nullptr;     // [max_tokens, intermediate_size, padded]

  DeviceMemory memory;  // what all of the above point into

  static Result<Workspace> plan(const ContextPointer& context, const Geometry& geometry,
                                std::int64_t max_tokens, const BudgetPointer& budget);
};

}  // namespace fusebert::cuda
