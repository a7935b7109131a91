// The scope that memory instructions and fences name (PTX ISA, "Scope").
#pragma once

#include <optional>

#include "machine/ordering.h"
#include "program/builder.h"

namespace virtual_gpu::isa {

/// The scope, if it comes next. A cluster is one block here, and the system one device.
inline std::optional<Scope> accept_scope(Builder& b) {
  const auto named = b.accept_one({"cta", "cluster", "gpu", "sys"});
  if (!named) return std::nullopt;
  return *named < 2 ? Scope::kBlock : Scope::kDevice;
}

}  // namespace virtual_gpu::isa
