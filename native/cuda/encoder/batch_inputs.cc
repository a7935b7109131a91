// Gathering and copying.
#include "cuda/encoder/batch_inputs.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "model/positions.h"

namespace fusebert::cuda {
namespace {

// Arrays begin where a vector load may.
constexpr std::size_t kTokenStep = 64;

constexpr std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

// For batches of up to so many tokens; returns the bytes of all. A batch has no more sequences, no
// more of attention's items, and no more rows for a head, than tokens.
std::size_t BatchInputs::lay_out(std::int64_t tokens) {
  const std::size_t room = round_up(static_cast<std::size_t>(tokens) + 1, kTokenStep);
  const std::size_t bytes = room * sizeof(std::int32_t);
  cu_seqlens_ = round_up(kPlanOffset + sizeof(AttentionPlan), kTokenStep);
  ids_ = cu_seqlens_ + bytes;
  positions_ = ids_ + bytes;
  types_ = positions_ + bytes;
  items_ = types_ + bytes;
  head_rows_ = items_ + room * sizeof(AttentionItem);
  return head_rows_ + bytes;
}

Result<BatchInputs> BatchInputs::create(const ContextPointer& context, const Geometry& geometry,
                                        std::int64_t max_tokens, const BudgetPointer& budget) {
  BatchInputs inputs;
  inputs.geometry_ = geometry;
  inputs.heads_ = static_cast<int>(geometry.num_attention_heads);
  inputs.head_dim_ = padded_head_dim(geometry.head_dim());
  const std::size_t bytes = inputs.lay_out(token_bucket(max_tokens));
  auto host = allocate_pinned(context, bytes);
  if (!host.ok()) return host.status();
  inputs.host_ = std::move(host.value());
  std::memset(inputs.host_.get(), 0, bytes);
  auto device = allocate_device(context, bytes, budget);
  if (!device.ok()) return device.status();
  inputs.device_ = std::move(device.value());
  return inputs;
}

void BatchInputs::pack(const PackedBatch& batch, std::span<const std::int32_t> head_rows) {
  const auto tokens = static_cast<std::size_t>(batch.total_tokens());
  cut_attention(batch.cu_seqlens, heads_, head_dim_, cut_);
  shape_ = {.tokens = token_bucket(batch.total_tokens()),
            .short_blocks = block_bucket(cut_.short_blocks()),
            .long_blocks = block_bucket(cut_.long_blocks)};
  lay_out(shape_.tokens);
  bytes_ = head_rows_ + head_rows.size_bytes();  // the last array, and seldom there
  auto* host = static_cast<std::byte*>(host_.get());
  const auto put = [&](std::size_t offset, const auto* values, std::size_t count) {
    if (count == 0) return;
    std::memcpy(host + offset, values, count * sizeof *values);
  };
  const std::int32_t header[] = {static_cast<std::int32_t>(tokens),
                                 static_cast<std::int32_t>(batch.batch_size()), kNoPlace,
                                 static_cast<std::int32_t>(head_rows.size())};
  put(0, header, 4);
  put(kPlanOffset, &cut_.plan, 1);
  put(cu_seqlens_, batch.cu_seqlens.data(), batch.cu_seqlens.size());
  put(ids_, batch.input_ids.data(), tokens);
  put(types_, batch.token_type_ids.data(), tokens);
  put(items_, cut_.items.data(), cut_.items.size());
  put(head_rows_, head_rows.data(), head_rows.size());
  fill_positions(geometry_, batch, reinterpret_cast<std::int32_t*>(host + positions_));
}

Status BatchInputs::upload(const Stream& stream) const {
  FUSEBERT_CUDA_CHECK(stream.api(), cuMemcpyHtoDAsync(device_.get(), host_.get(), bytes_,
                                                      stream.get()));
  return Status();
}

}  // namespace fusebert::cuda
