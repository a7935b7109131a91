// Room for results, their way back, and what is told of activations that are not finite.
#include "cuda/encoder/part_slot.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

namespace fusebert::cuda {
namespace {

constexpr auto kFloatBytes = static_cast<std::int64_t>(sizeof(float));
// Before the results on the host, so that these keep their alignment.
constexpr std::int64_t kFlagFloats = 16;

// Room for `needed` floats, or for half as much again as there was, so that parts that grow do not
// allocate each time. `room` becomes what there is.
template <class Memory, class Allocate>
Status make_room(std::int64_t needed, std::int64_t& room, Memory& memory,
                 const Allocate& allocate) {
  if (needed <= room) return Status();
  std::int64_t floats = std::max(needed, room + room / 2);
  room = 0;
  memory = Memory();
  auto allocated = allocate(static_cast<std::size_t>(floats * kFloatBytes));
  if (allocated.status().code() == StatusCode::kOutOfMemory && floats > needed) {
    floats = needed;
    allocated = allocate(static_cast<std::size_t>(floats * kFloatBytes));
  }
  if (!allocated.ok()) return allocated.status();
  memory = std::move(allocated.value());
  room = floats;
  return Status();
}

}  // namespace

Result<PartSlot> PartSlot::create(const ContextPointer& context, const Geometry& geometry,
                                  std::int64_t max_tokens, const BudgetPointer& budget) {
  PartSlot slot;
  slot.context_ = context;
  slot.budget_ = budget;
  slot.hidden_size_ = geometry.hidden_size;
  slot.layers_ = geometry.num_hidden_layers;
  slot.head_ = geometry.head;
  auto inputs = BatchInputs::create(context, geometry, max_tokens, budget);
  if (!inputs.ok()) return inputs.status();
  slot.inputs_ = std::move(inputs.value());
  for (Event* const each : {&slot.uploaded_, &slot.computed_, &slot.downloaded_}) {
    auto event = create_event(context);
    if (!event.ok()) return event.status();
    *each = std::move(event.value());
  }
  return slot;
}

Status PartSlot::take(const PackedBatch& part, const EncodeOutput& output) {
  output_ = output;
  tokens_ = part.total_tokens();
  sequences_ = part.batch_size();
  head_tokens_.clear();
  head_row_count_ = 0;
  if (output.wants_head()) {
    const bool of_one_id = head_->rows == HeadRows::kAll && output.head_token != kEveryToken;
    if (of_one_id) list_head_rows(*head_, part, output.head_token, head_tokens_);
    head_row_count_ = of_one_id ? static_cast<std::int64_t>(head_tokens_.size())
                                : count_head_rows(*head_, part, kEveryToken);
  }
  lay_out(output);
  FUSEBERT_RETURN_IF_ERROR(reserve());
  inputs_.pack(part, head_tokens_);
  return Status();
}

// Logits of which only the largest are wanted come last, and stay where they are.
void PartSlot::lay_out(const EncodeOutput& output) {
  floats_ = 0;
  const auto take = [&](Piece& piece, bool wanted, std::int64_t count, void* to) {
    piece = {floats_, wanted ? count : 0, to};
    floats_ += piece.count;
  };
  const auto take_rows = [&](Piece& piece, std::int64_t rows, float* to) {
    take(piece, to != nullptr, rows * hidden_size_, to);
  };
  take_rows(hidden_states_, tokens_, output.hidden_states);
  take_rows(pooled_, sequences_ * output.pooling.count, output.pooled);
  take_rows(pooler_output_, sequences_, output.pooler_output);
  const TopLogits& top = output.top;
  const bool wants_top = top.count > 0;
  take(top_columns_, wants_top, head_row_count_ * top.count, top.columns);
  take(top_values_, wants_top, head_row_count_ * top.count, top.values);
  take(log_sum_exp_, wants_top, head_row_count_, top.log_sum_exp);
  returned_ = floats_;
  const std::int64_t outputs = head_.has_value() ? head_->outputs : 0;
  take(logits_, output.wants_head(), head_row_count_ * outputs, output.logits);
  if (output.logits != nullptr) returned_ = floats_;
}

TopLogits PartSlot::top() const {
  return {output_.top.count, at<std::int32_t>(top_columns_), at(top_values_), at(log_sum_exp_)};
}

Forward::ChosenRows PartSlot::head_rows() const {
  if (head_->rows == HeadRows::kFirst) {
    return {head_row_count_, inputs_.sequences(), inputs_.cu_seqlens()};
  }
  if (output_.head_token == kEveryToken) return {head_row_count_, inputs_.tokens(), nullptr};
  return {head_row_count_, inputs_.head_row_count(), inputs_.head_rows()};
}

Status PartSlot::reserve() {
  FUSEBERT_RETURN_IF_ERROR(
      make_room(floats_, result_floats_, results_, [&](std::size_t bytes) {
        return allocate_device(context_, bytes, budget_);
      }));
  return make_room(kFlagFloats + returned_, host_floats_, host_, [&](std::size_t bytes) {
    return allocate_pinned(context_, bytes);
  });
}

Status PartSlot::download(const Stream& stream, BatchProgress& progress) {
  auto* host = static_cast<float*>(host_.get());
  const Api& api = context_->api();
  const auto flag = reinterpret_cast<CUdeviceptr>(inputs_.overflow());
  FUSEBERT_CUDA_CHECK(api, cuMemcpyDtoHAsync(host, flag, sizeof(std::int32_t), stream.get()));
  if (returned_ > 0) {
    FUSEBERT_CUDA_CHECK(
        api, cuMemcpyDtoHAsync(host + kFlagFloats, results_.get(),
                               static_cast<std::size_t>(returned_ * kFloatBytes), stream.get()));
  }
  FUSEBERT_CUDA_CHECK(api, cuEventRecord(downloaded_.get(), stream.get()));
  progress_ = &progress;
  ++progress.parts_under_way;
  return Status();
}

Status PartSlot::deliver() {
  if (!under_way()) return Status();
  const Status waited = wait_for(downloaded_);
  BatchProgress& progress = *std::exchange(progress_, nullptr);
  --progress.parts_under_way;
  try {
    progress.fail(waited.ok() ? hand_out(progress) : waited);
  } catch (const std::bad_alloc&) {
    progress.fail(no_memory());
  }
  return waited;
}

void PartSlot::drop(const Status& why) {
  if (!under_way()) return;
  BatchProgress& progress = *std::exchange(progress_, nullptr);
  --progress.parts_under_way;
  progress.fail(why);
}

Status PartSlot::hand_out(const BatchProgress& progress) const {
  if (progress.cancelled.load(std::memory_order_relaxed)) {
    return Status(StatusCode::kAborted, "The request was cancelled.");
  }
  FUSEBERT_RETURN_IF_ERROR(check_finite());
  const auto* host = static_cast<const float*>(host_.get()) + kFlagFloats;
  for (const Piece* piece : {&hidden_states_, &pooled_, &pooler_output_, &top_columns_,
                             &top_values_, &log_sum_exp_, &logits_}) {
    if (piece->count == 0 || piece->to == nullptr) continue;
    std::memcpy(piece->to, host + piece->offset,
                static_cast<std::size_t>(piece->count * kFloatBytes));
  }
  return Status();
}

Status PartSlot::check_finite() const {
  std::int32_t place;
  std::memcpy(&place, host_.get(), sizeof place);
  if (place == BatchInputs::kNoPlace) return Status();
  return Status(StatusCode::kNotFinite,
                "Expected finite activations but those of " + name_of_place(place, layers_) +
                    " are NaN or infinite: they have left the range of the model's 16-bit type, "
                    "which ends at 65504 for fp16. The device 'cpu' has a larger one, and so has "
                    "dtype 'bf16' on GPUs from compute capability 8.0 on.");
}

}  // namespace fusebert::cuda
