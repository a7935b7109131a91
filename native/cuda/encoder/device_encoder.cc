// A part's way through the streams.
#include "cuda/encoder/device_encoder.h"

#include <cstddef>
#include <utility>

namespace fusebert::cuda {

Result<std::unique_ptr<DeviceEncoder>> DeviceEncoder::create(
    const ContextPointer& context, const Geometry& geometry, const KernelSet& kernels,
    const DeviceWeights& weights, std::int64_t max_tokens, const BudgetPointer& budget) {
  std::unique_ptr<DeviceEncoder> encoder(
      new DeviceEncoder(context, geometry, kernels, weights));
  FUSEBERT_RETURN_IF_ERROR(encoder->plan(geometry, max_tokens, budget));
  return encoder;
}

Status DeviceEncoder::plan(const Geometry& geometry, std::int64_t max_tokens,
                           const BudgetPointer& budget) {
  for (Stream* const each : {&upload_, &compute_, &download_}) {
    auto stream = create_stream(context_);
    if (!stream.ok()) return stream.status();
    *each = std::move(stream.value());
  }
  auto workspace = Workspace::plan(context_, geometry, max_tokens, budget);
  if (!workspace.ok()) return workspace.status();
  workspace_ = std::move(workspace.value());
  for (PartSlot& each : slots_) {
    auto slot = PartSlot::create(context_, geometry, max_tokens, budget);
    if (!slot.ok()) return slot.status();
    each = std::move(slot.value());
  }
  return Status();
}

// The launches of a shape that has come before are one graph. Without memory for it they still are
// launches.
Status DeviceEncoder::run_layers(std::size_t index) {
  const BatchInputs& inputs = slots_[index].inputs();
  const auto queue = [&] { return forward_.layers(compute_, inputs); };
  GraphCache::Entry& entry = graphs_.find({index, inputs.shape()});
  const bool recorded = entry.graph.get() != nullptr;
  if (!recorded && entry.worth_recording()) {
    auto graph = record_graph(context_, compute_, queue);
    if (graph.ok()) {
      entry.graph = std::move(graph.value());
    } else if (graph.status().code() != StatusCode::kOutOfMemory) {
      return graph.status();
    }
  }
  return entry.graph.get() == nullptr ? queue() : launch_graph(entry.graph, compute_);
}

Status DeviceEncoder::write_outputs(const PartSlot& slot) const {
  const EncodeOutput& output = slot.output();
  if (output.hidden_states != nullptr) {
    const bool normalize = output.normalize && output.pooling.count == 0;
    FUSEBERT_RETURN_IF_ERROR(forward_.write_hidden_states(
        compute_, slot.inputs(), slot.tokens(), normalize, slot.hidden_states()));
  }
  if (output.pooled != nullptr) {
    FUSEBERT_RETURN_IF_ERROR(forward_.write_pooled(compute_, slot.inputs(), slot.sequences(),
                                                   output, slot.pooled()));
  }
  if (output.pooler_output != nullptr) {
    FUSEBERT_RETURN_IF_ERROR(forward_.write_pooler_output(
        compute_, slot.inputs(), slot.sequences(), slot.pooler_output()));
  }
  if (!output.wants_head()) return Status();
  const Forward::ChosenRows rows = slot.head_rows();
  if (rows.most == 0) return Status();
  FUSEBERT_RETURN_IF_ERROR(forward_.write_logits(compute_, slot.inputs(), rows, slot.logits()));
  if (output.top.count == 0) return Status();
  return forward_.write_top_logits(compute_, rows, slot.logits(), slot.top());
}

// The slot's buffers are free on the device too once its last part was delivered: whatever read or
// wrote them came before the download that was waited for.
Status DeviceEncoder::submit(const PackedBatch& part, const EncodeOutput& output,
                             BatchProgress& progress, bool alone) {
  if (idle()) next_ = 0;  // where graphs of parts that are alone are
  const std::size_t index = next_;
  PartSlot& slot = slots_[index];
  FUSEBERT_RETURN_IF_ERROR(slot.deliver());
  FUSEBERT_RETURN_IF_ERROR(progress.status);
  const Stream& upload = alone ? compute_ : upload_;
  const Stream& download = alone ? compute_ : download_;
  FUSEBERT_RETURN_IF_ERROR(slot.take(part, output));
  FUSEBERT_RETURN_IF_ERROR(slot.inputs().upload(upload));
  FUSEBERT_RETURN_IF_ERROR(order(slot.uploaded(), upload, compute_));
  FUSEBERT_RETURN_IF_ERROR(run_layers(index));
  FUSEBERT_RETURN_IF_ERROR(write_outputs(slot));
  FUSEBERT_RETURN_IF_ERROR(order(slot.computed(), compute_, download));
  FUSEBERT_RETURN_IF_ERROR(slot.download(download, progress));
  next_ = 1 - next_;
  return Status();
}

Status DeviceEncoder::deliver() {
  PartSlot& oldest = slots_[next_].under_way() ? slots_[next_] : slots_[1 - next_];
  return oldest.deliver();
}

Status DeviceEncoder::drain() {
  Status first;
  for (const std::size_t index : {next_, 1 - next_}) {
    const Status delivered = slots_[index].deliver();
    if (first.ok()) first = delivered;
  }
  for (const Stream* const each : {&upload_, &compute_, &download_}) {
    const CUresult result = context_->api().cuStreamSynchronize(each->get());
    const Status status = context_->api().check(result, "cuStreamSynchronize");
    if (first.ok()) first = status;
  }
  return first;
}

void DeviceEncoder::abandon() {
  for (const Stream* const each : {&upload_, &compute_, &download_}) {
    context_->api().cuStreamSynchronize(each->get());
  }
  drop(no_memory());
}

void DeviceEncoder::drop(const Status& why) {
  for (PartSlot& slot : slots_) slot.drop(why);
}

}  // namespace fusebert::cuda
