#include "ptx/ast.h"

#include <algorithm>

namespace virtual_gpu::ptx {

std::uint64_t Variable::bytes() const {
  std::uint64_t count = vector;
  for (const std::uint64_t extent : extents) count *= extent;
  return count * bytes_of(type);
}

std::uint32_t Variable::alignment() const {
  return align != 0 ? align : std::max(1u, vector * bytes_of(type));
}

}  // namespace virtual_gpu::ptx
