// The layers, kernel by kernel. One stream: each kernel waits for the one before.
#include "cuda/encoder/device_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

#include "cuda/kernels/attention/attention_params.h"
#include "cuda/kernels/gemm/gemm_params.h"
#include "cuda/kernels/pooling/pooling_params.h"

namespace fusebert::cuda {
namespace {

constexpr std::int64_t kElementBytes = 2;
constexpr auto kFloatBytes = static_cast<std::int64_t>(sizeof(float));
constexpr std::int64_t kAlignment = 256;
// Before the results on the host, so that these keep their alignment.
constexpr std::int64_t kFlagFloats = 16;
// Hidden states, pooled, the pooler's: each of at most a row a token.
constexpr std::int64_t kMostResults = 3;

constexpr std::int32_t kEmbeddingsPlace = 0;
std::int32_t attention_place(std::size_t layer) { return static_cast<std::int32_t>(2 * layer + 1); }

std::string name_of_place(std::int32_t place) {
  if (place == kEmbeddingsPlace) return "the embeddings";
  const std::string layer = "encoder.layer." + std::to_string((place - 1) / 2);
  return layer + (place % 2 == 1 ? ".attention.output" : ".output");
}

GemmActivation gemm_activation(Activation activation) {
  switch (activation) {
    case Activation::kGelu: return GemmActivation::kGelu;
    case Activation::kGeluTanh: return GemmActivation::kGeluTanh;
    case Activation::kRelu: return GemmActivation::kRelu;
  }
  return GemmActivation::kNone;
}

PoolingKind pooling_kind(Pooling pooling) {
  return pooling == Pooling::kCls   ? PoolingKind::kCls
         : pooling == Pooling::kMax ? PoolingKind::kMax
                                    : PoolingKind::kMean;
}

}  // namespace

Result<std::unique_ptr<DeviceEncoder>> DeviceEncoder::create(
    const ContextPointer& context, const Geometry& geometry, const KernelSet& kernels,
    const DeviceWeights& weights, const Stream& stream, std::int64_t max_tokens) {
  std::unique_ptr<DeviceEncoder> encoder(
      new DeviceEncoder(context, geometry, kernels, weights, stream));
  FUSEBERT_RETURN_IF_ERROR(encoder->plan(max_tokens));
  return encoder;
}

Status DeviceEncoder::plan(std::int64_t max_tokens) {
  const int head_dim = padded_head_dim(geometry_.head_dim());
  auto inputs = BatchInputs::create(context_, max_tokens,
                                    static_cast<int>(geometry_.num_attention_heads), head_dim);
  if (!inputs.ok()) return inputs.status();
  inputs_ = std::move(inputs.value());

  const std::int64_t hidden = geometry_.hidden_size;
  const std::int64_t heads = geometry_.num_attention_heads * head_dim;
  const std::int64_t shared = std::max(padded_intermediate_size(geometry_) * kElementBytes,
                                       kMostResults * hidden * kFloatBytes);
  const std::int64_t row_bytes[] = {hidden * kElementBytes, 3 * heads * kElementBytes,
                                    heads * kElementBytes, hidden * kElementBytes, shared};
  void** const places[] = {&hidden_, &query_key_value_, &context_rows_, &projection_,
                           &intermediate_};
  std::int64_t offsets[std::size(row_bytes) + 1] = {};
  for (std::size_t i = 0; i < std::size(row_bytes); ++i) {
    const std::int64_t bytes = max_tokens * row_bytes[i];
    offsets[i + 1] = offsets[i] + (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  auto memory = allocate_device(context_, static_cast<std::size_t>(offsets[std::size(row_bytes)]));
  if (!memory.ok()) return memory.status();
  memory_ = std::move(memory.value());
  for (std::size_t i = 0; i < std::size(row_bytes); ++i) {
    *places[i] = reinterpret_cast<void*>(memory_.get() + static_cast<CUdeviceptr>(offsets[i]));
  }
  results_ = static_cast<float*>(intermediate_);
  return Status();
}

LayerNormParams DeviceEncoder::norm_params(const DeviceNorm& norm, const void* in,
                                           std::int32_t place) const {
  LayerNormParams params;
  params.in = in;
  params.out = hidden_;
  params.gamma = norm.gamma;
  params.beta = norm.beta;
  params.rows = inputs_.tokens();
  params.overflow = inputs_.overflow();
  params.place = place;
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.epsilon = geometry_.layer_norm_eps;
  return params;
}

Status DeviceEncoder::embed(std::int64_t tokens) {
  EmbeddingParams params;
  params.words = weights_.word_embeddings;
  params.positions = weights_.position_embeddings;
  params.types = weights_.token_type_embeddings;
  params.ids = inputs_.ids();
  params.position_ids = inputs_.positions();
  params.type_ids = inputs_.types();
  params.norm = norm_params(weights_.embedding_norm, nullptr, kEmbeddingsPlace);
  return kernels_.embeddings.launch(stream_, KernelSet::row_shape(tokens), params);
}

Status DeviceEncoder::normalize(const DeviceNorm& norm, const void* in, std::int64_t tokens,
                                std::int32_t place) {
  return kernels_.layer_norm.launch(stream_, KernelSet::row_shape(tokens),
                                    norm_params(norm, in, place));
}

Status DeviceEncoder::multiply(const DeviceLinear& linear, const void* in,
                               const std::int32_t* rows, std::int64_t row_count,
                               GemmActivation activation, const void* residual, void* out) {
  GemmParams params;
  params.in = in;
  params.weight = linear.weight;
  params.bias = linear.bias;
  params.residual = residual;
  params.out = out;
  params.rows = rows;
  params.columns = params.out_stride = linear.outputs;
  params.depth = params.in_stride = params.weight_stride = linear.inputs;
  params.activation = activation;
  const GemmTile tile =
      choose_gemm_tile(row_count, linear.outputs, context_->multiprocessors());
  return kernels_.gemm.launch(stream_, tile, row_count, params);
}

Status DeviceEncoder::attend() {
  AttentionParams params;
  params.plan = inputs_.plan();
  params.items = inputs_.items();
  params.query_key_value = query_key_value_;
  params.context = context_rows_;
  params.heads = static_cast<std::int32_t>(geometry_.num_attention_heads);
  params.scale = 1.0f / std::sqrt(static_cast<float>(geometry_.head_dim()));
  const AttentionCut& cut = inputs_.cut();
  return kernels_.attention.launch(stream_, cut.short_blocks(), cut.long_blocks, params);
}

Status DeviceEncoder::layer(const DeviceLayer& layer, std::int64_t tokens, std::int32_t place) {
  const std::int32_t* rows = inputs_.tokens();
  const auto none = GemmActivation::kNone;
  FUSEBERT_RETURN_IF_ERROR(
      multiply(layer.query_key_value, hidden_, rows, tokens, none, nullptr, query_key_value_));
  FUSEBERT_RETURN_IF_ERROR(attend());
  FUSEBERT_RETURN_IF_ERROR(
      multiply(layer.attention_output, context_rows_, rows, tokens, none, hidden_, projection_));
  FUSEBERT_RETURN_IF_ERROR(normalize(layer.attention_norm, projection_, tokens, place));
  FUSEBERT_RETURN_IF_ERROR(multiply(layer.intermediate, hidden_, rows, tokens,
                                    gemm_activation(geometry_.hidden_act), nullptr,
                                    intermediate_));
  FUSEBERT_RETURN_IF_ERROR(
      multiply(layer.output, intermediate_, rows, tokens, none, hidden_, projection_));
  return normalize(layer.output_norm, projection_, tokens, place + 1);
}

Status DeviceEncoder::write_hidden_states(const Piece& piece, std::int64_t tokens,
                                          bool normalize) {
  RowsParams params;
  params.in = hidden_;
  params.out = results_ + piece.offset;
  params.rows = inputs_.tokens();
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.normalize = normalize ? 1 : 0;
  return kernels_.copy_rows.launch(stream_, KernelSet::row_shape(tokens), params);
}

Status DeviceEncoder::write_pooled(const Piece& piece, const EncodeOutput& output,
                                   std::int64_t sequences) {
  PoolingParams params;
  params.in = hidden_;
  params.out = results_ + piece.offset;
  params.cu_seqlens = inputs_.cu_seqlens();
  params.sequences = inputs_.sequences();
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.kind = pooling_kind(output.pooling);
  params.normalize = output.normalize ? 1 : 0;
  return kernels_.pool.launch(stream_, KernelSet::pool_shape(sequences, geometry_.hidden_size),
                              params);
}

// tanh(W · h_cls + b): the first rows of all sequences, one product, and into fp32.
Status DeviceEncoder::write_pooler_output(const Piece& piece, std::int64_t sequences) {
  RowsParams rows;
  rows.in = hidden_;
  rows.out = projection_;
  rows.indices = inputs_.cu_seqlens();
  rows.rows = inputs_.sequences();
  rows.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  const LaunchShape shape = KernelSet::row_shape(sequences);
  FUSEBERT_RETURN_IF_ERROR(kernels_.gather_rows.launch(stream_, shape, rows));
  FUSEBERT_RETURN_IF_ERROR(multiply(weights_.pooler, projection_, inputs_.sequences(), sequences,
                                    GemmActivation::kTanh, nullptr, context_rows_));
  rows.in = context_rows_;
  rows.out = results_ + piece.offset;
  rows.indices = nullptr;
  return kernels_.copy_rows.launch(stream_, shape, rows);
}

// The flag and the first `floats` of the results, into host_results_.
Status DeviceEncoder::download(std::int64_t floats) {
  const std::int64_t needed = kFlagFloats + floats;
  if (needed > host_floats_) {
    auto host = allocate_pinned(context_, static_cast<std::size_t>(needed * kFloatBytes));
    if (!host.ok()) return host.status();
    host_results_ = std::move(host.value());
    host_floats_ = needed;
  }
  auto* host = static_cast<float*>(host_results_.get());
  const Api& api = context_->api();
  const auto flag = reinterpret_cast<CUdeviceptr>(inputs_.overflow());
  FUSEBERT_CUDA_CHECK(api, cuMemcpyDtoHAsync(host, flag, sizeof(std::int32_t), stream_.get()));
  if (floats > 0) {
    FUSEBERT_CUDA_CHECK(
        api, cuMemcpyDtoHAsync(host + kFlagFloats, reinterpret_cast<CUdeviceptr>(results_),
                               static_cast<std::size_t>(floats * kFloatBytes), stream_.get()));
  }
  FUSEBERT_CUDA_CHECK(api, cuStreamSynchronize(stream_.get()));
  return Status();
}

Status DeviceEncoder::check_finite() const {
  std::int32_t place;
  std::memcpy(&place, host_results_.get(), sizeof place);
  if (place == BatchInputs::kNoPlace) return Status();
  return Status(StatusCode::kNotFinite,
                "Expected finite activations but those of " + name_of_place(place) +
                    " are NaN or infinite: they have left the range of fp16, which ends at 65504. "
                    "The device 'cpu' has a larger one, and so has dtype 'bf16' on GPUs from "
                    "compute capability 8.0 on.");
}

Status DeviceEncoder::run(const PackedBatch& batch, const EncodeOutput& output,
                          const std::atomic<bool>& cancelled) {
  const std::int64_t tokens = batch.total_tokens(), sequences = batch.batch_size();
  FUSEBERT_RETURN_IF_ERROR(inputs_.upload(stream_, batch));
  FUSEBERT_RETURN_IF_ERROR(embed(tokens));
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    FUSEBERT_RETURN_IF_ERROR(layer(weights_.layers[i], tokens, attention_place(i)));
  }
  const std::int64_t hidden = geometry_.hidden_size;
  std::int64_t floats = 0;
  const auto piece_of = [&](std::int64_t rows, float* to) {
    const Piece piece{floats, to == nullptr ? 0 : rows * hidden, to};
    floats += piece.count;
    return piece;
  };
  const Piece pieces[] = {piece_of(tokens, output.hidden_states),
                          piece_of(sequences, output.pooled),
                          piece_of(sequences, output.pooler_output)};
  if (output.hidden_states != nullptr) {
    const bool normalize = output.normalize && output.pooling == Pooling::kNone;
    FUSEBERT_RETURN_IF_ERROR(write_hidden_states(pieces[0], tokens, normalize));
  }
  if (output.pooled != nullptr) {
    FUSEBERT_RETURN_IF_ERROR(write_pooled(pieces[1], output, sequences));
  }
  if (output.pooler_output != nullptr) {
    FUSEBERT_RETURN_IF_ERROR(write_pooler_output(pieces[2], sequences));
  }
  FUSEBERT_RETURN_IF_ERROR(download(floats));
  if (cancelled.load(std::memory_order_relaxed)) {
    return Status(StatusCode::kAborted, "The request was cancelled.");
  }
  FUSEBERT_RETURN_IF_ERROR(check_finite());
  const auto* host = static_cast<const float*>(host_results_.get()) + kFlagFloats;
  for (const Piece& piece : pieces) {
    if (piece.count == 0) continue;
    std::memcpy(piece.to, host + piece.offset,
                static_cast<std::size_t>(piece.count * kFloatBytes));
  }
  return Status();
}

}  // namespace fusebert::cuda
