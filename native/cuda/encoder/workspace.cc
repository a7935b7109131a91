// One allocation, cut into pieces.
#include "cuda/encoder/workspace.h"

#include <cstddef>
#include <iterator>
#include <utility>

#include "cuda/encoder/device_weights.h"
#include "cuda/kernels/attention/attention.h"

namespace fusebert::cuda {
namespace {

constexpr std::int64_t kElementBytes = 2;
constexpr std::int64_t kAlignment = 256;

}  // namespace

Result<Workspace> Workspace::plan(const ContextPointer& context, const Geometry& geometry,
                                  std::int64_t max_tokens, const BudgetPointer& budget) {
  Workspace workspace;
  const std::int64_t hidden = geometry.hidden_size;
  const std::int64_t heads = geometry.num_attention_heads * padded_head_dim(geometry.head_dim());
  const std::int64_t columns[] = {hidden, 3 * heads, heads, hidden,
                                  padded_intermediate_size(geometry)};
  void** const places[] = {&workspace.hidden, &workspace.query_key_value, &workspace.context_rows,
                           &workspace.projection, &workspace.intermediate};
  std::int64_t offsets[std::size(columns) + 1] = {};
  for (std::size_t i = 0; i < std::size(columns); ++i) {
    const std::int64_t bytes = max_tokens * columns[i] * kElementBytes;
    offsets[i + 1] = offsets[i] + (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  auto memory =
      allocate_device(context, static_cast<std::size_t>(offsets[std::size(columns)]), budget);
  if (!memory.ok()) return memory.status();
  workspace.memory = std::move(memory.value());
  for (std::size_t i = 0; i < std::size(columns); ++i) {
    *places[i] =
        reinterpret_cast<void*>(workspace.memory.get() + static_cast<CUdeviceptr>(offsets[i]));
  }
  return workspace;
}

}  // namespace fusebert::cuda
