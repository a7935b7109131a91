// What each kernel of a batch is given.
#include "cuda/encoder/forward.h"

#include <cmath>
#include <cstddef>

#include "cuda/kernels/attention/attention_params.h"
#include "cuda/kernels/gemm/gemm_params.h"
#include "cuda/kernels/pooling/pooling_params.h"
#include "cuda/kernels/top_k/top_k_params.h"

namespace fusebert::cuda {
namespace {

// Places in the order in which a batch comes by: the embeddings, two of each layer, the end, and
// two of the head.
constexpr std::int32_t kEmbeddingsPlace = 0;
std::int32_t attention_place(std::int64_t layer) {
  return static_cast<std::int32_t>(2 * layer + 1);
}
std::int32_t last_place(std::int64_t layers) { return attention_place(layers); }
std::int32_t head_dense_place(std::int64_t layers) { return last_place(layers) + 1; }
std::int32_t logits_place(std::int64_t layers) { return last_place(layers) + 2; }

GemmActivation gemm_activation(Activation activation) {
  switch (activation) {
    case Activation::kGelu: return GemmActivation::kGelu;
    case Activation::kGeluTanh: return GemmActivation::kGeluTanh;
    case Activation::kQuickGelu: return GemmActivation::kQuickGelu;
    case Activation::kRelu: return GemmActivation::kRelu;
    case Activation::kSilu: return GemmActivation::kSilu;
  }
  return GemmActivation::kNone;
}

// Of a head's dense layer, which is there.
GemmActivation gemm_activation(HeadDense dense, Activation hidden_act) {
  if (dense == HeadDense::kTanh) return GemmActivation::kTanh;
  if (dense == HeadDense::kRelu) return GemmActivation::kRelu;
  return gemm_activation(dense == HeadDense::kGelu ? Activation::kGelu : hidden_act);
}

// What all products are given.
GemmParams product_params(const DeviceLinear& linear, const void* in, const std::int32_t* rows) {
  GemmParams params;
  params.in = in;
  params.weight = linear.weight;
  params.bias = linear.bias;
  params.rows = rows;
  params.columns = linear.outputs;
  params.depth = params.in_stride = params.weight_stride = linear.inputs;
  return params;
}

PoolingKind pooling_kind(Pooling pooling) {
  switch (pooling) {
    case Pooling::kNone: break;
    case Pooling::kMean: return PoolingKind::kMean;
    case Pooling::kCls: return PoolingKind::kCls;
    case Pooling::kMax: return PoolingKind::kMax;
    case Pooling::kMeanSqrtLen: return PoolingKind::kMeanSqrtLen;
    case Pooling::kWeightedMean: return PoolingKind::kWeightedMean;
    case Pooling::kLastToken: return PoolingKind::kLastToken;
  }
  return PoolingKind::kMean;
}

}  // namespace

std::string name_of_place(std::int32_t place, std::int64_t layers) {
  if (place == kEmbeddingsPlace) return "the embeddings";
  if (place == last_place(layers)) return "the last hidden states";
  if (place == head_dense_place(layers)) return "the head's dense layer";
  if (place >= logits_place(layers)) return "the logits";
  const std::string layer = "encoder.layer." + std::to_string((place - 1) / 2);
  return layer + (place % 2 == 1 ? ".attention.output" : ".output");
}

LayerNormParams Forward::norm_params(const BatchInputs& inputs, const DeviceNorm& norm,
                                     const void* in, void* out, std::int32_t place) const {
  LayerNormParams params;
  params.in = in;
  params.out = out;
  params.gamma = norm.gamma;
  params.beta = norm.beta;
  params.rows = inputs.tokens();
  params.overflow = inputs.overflow();
  params.place = place;
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.epsilon = geometry_.layer_norm_eps;
  return params;
}

Status Forward::embed(const Batch& batch) const {
  EmbeddingParams params;
  params.words = weights_.word_embeddings;
  params.positions = weights_.position_embeddings;
  params.types = weights_.token_type_embeddings;
  params.ids = batch.inputs.ids();
  params.position_ids = batch.inputs.positions();
  params.type_ids = batch.inputs.types();
  params.norm = norm_params(batch.inputs, weights_.embedding_norm, nullptr, workspace_.hidden,
                            kEmbeddingsPlace);
  return kernels_.embeddings.launch(
      batch.stream, KernelSet::row_shape(batch.inputs.shape().tokens), params);
}

Status Forward::normalize(const Batch& batch, const DeviceNorm& norm, const void* in, void* out,
                          std::int32_t place) const {
  return kernels_.layer_norm.launch(batch.stream,
                                    KernelSet::row_shape(batch.inputs.shape().tokens),
                                    norm_params(batch.inputs, norm, in, out, place));
}

Status Forward::multiply_rows(const Stream& stream, const DeviceLinear& linear, const void* in,
                              const std::int32_t* rows, std::int64_t most_rows,
                              GemmActivation activation, const void* residual, void* out) const {
  GemmParams params = product_params(linear, in, rows);
  params.residual = residual;
  params.out = out;
  params.out_stride = linear.outputs;
  params.activation = activation;
  const GemmTile tile = choose_gemm_tile(most_rows, linear.outputs, context_->multiprocessors());
  return kernels_.gemm.launch(stream, tile, most_rows, params);
}

Status Forward::multiply(const Batch& batch, const DeviceLinear& linear, const void* in,
                         GemmActivation activation, const void* residual, void* out) const {
  return multiply_rows(batch.stream, linear, in, batch.inputs.tokens(),
                       batch.inputs.shape().tokens, activation, residual, out);
}

Status Forward::attend(const Batch& batch) const {
  AttentionParams params;
  params.plan = batch.inputs.plan();
  params.items = batch.inputs.items();
  params.query_key_value = workspace_.query_key_value;
  params.context = workspace_.context_rows;
  params.heads = static_cast<std::int32_t>(geometry_.num_attention_heads);
  params.scale = 1.0f / std::sqrt(static_cast<float>(geometry_.head_dim()));
  const BatchShape& shape = batch.inputs.shape();
  return kernels_.attention.launch(batch.stream, shape.short_blocks, shape.long_blocks, params);
}

Status Forward::layer(const Batch& batch, const DeviceLayer& layer, std::int32_t place) const {
  const Workspace& w = workspace_;
  const auto none = GemmActivation::kNone;
  FUSEBERT_RETURN_IF_ERROR(
      multiply(batch, layer.query_key_value, w.hidden, none, nullptr, w.query_key_value));
  FUSEBERT_RETURN_IF_ERROR(attend(batch));
  FUSEBERT_RETURN_IF_ERROR(
      multiply(batch, layer.attention_output, w.context_rows, none, w.hidden, w.projection));
  FUSEBERT_RETURN_IF_ERROR(normalize(batch, layer.attention_norm, w.projection, w.hidden, place));
  FUSEBERT_RETURN_IF_ERROR(multiply(batch, layer.intermediate, w.hidden,
                                    gemm_activation(geometry_.hidden_act), nullptr,
                                    w.intermediate));
  FUSEBERT_RETURN_IF_ERROR(
      multiply(batch, layer.output, w.intermediate, none, w.hidden, w.projection));
  return normalize(batch, layer.output_norm, w.projection, w.hidden, place + 1);
}

Status Forward::layers(const Stream& stream, const BatchInputs& inputs) const {
  const Batch batch{stream, inputs};
  FUSEBERT_RETURN_IF_ERROR(embed(batch));
  std::int64_t count = 0;
  for (const DeviceLayer& each : weights_.layers) {
    FUSEBERT_RETURN_IF_ERROR(layer(batch, each, attention_place(count++)));
  }
  // LayerNorm finds what is not finite in what it reads, not in what it writes: what the last one
  // wrote is read once more, for nothing else.
  const DeviceNorm& any = weights_.embedding_norm;
  return normalize(batch, any, workspace_.hidden, workspace_.projection, last_place(count));
}

Status Forward::write_hidden_states(const Stream& stream, const BatchInputs& inputs,
                                    std::int64_t tokens, bool normalize, float* out) const {
  RowsParams params;
  params.in = workspace_.hidden;
  params.out = out;
  params.rows = inputs.tokens();
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.normalize = normalize ? 1 : 0;
  return kernels_.copy_rows.launch(stream, KernelSet::row_shape(tokens), params);
}

Status Forward::write_pooled(const Stream& stream, const BatchInputs& inputs,
                             std::int64_t sequences, const EncodeOutput& output,
                             float* out) const {
  PoolingParams params;
  params.in = workspace_.hidden;
  params.cu_seqlens = inputs.cu_seqlens();
  params.sequences = inputs.sequences();
  params.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  params.normalize = output.normalize ? 1 : 0;
  params.out_stride = output.pooling.count * params.columns;
  params.skip = output.skip_tokens;
  const LaunchShape shape = KernelSet::pool_shape(sequences, geometry_.hidden_size);
  for (int i = 0; i < output.pooling.count; ++i) {
    params.kind = pooling_kind(output.pooling[i]);
    params.out = out + i * params.columns;
    FUSEBERT_RETURN_IF_ERROR(kernels_.pool.launch(stream, shape, params));
  }
  return Status();
}

// tanh(W · h_cls + b): the first rows of all sequences, one product, and into fp32.
Status Forward::write_pooler_output(const Stream& stream, const BatchInputs& inputs,
                                    std::int64_t sequences, float* out) const {
  RowsParams rows;
  rows.in = workspace_.hidden;
  rows.out = workspace_.projection;
  rows.indices = inputs.cu_seqlens();
  rows.rows = inputs.sequences();
  rows.columns = static_cast<std::int32_t>(geometry_.hidden_size);
  const LaunchShape shape = KernelSet::row_shape(sequences);
  FUSEBERT_RETURN_IF_ERROR(kernels_.gather_rows.launch(stream, shape, rows));
  FUSEBERT_RETURN_IF_ERROR(multiply_rows(stream, weights_.pooler, workspace_.projection,
                                         inputs.sequences(), sequences, GemmActivation::kTanh,
                                         nullptr, workspace_.context_rows));
  rows.in = workspace_.context_rows;
  rows.out = out;
  rows.indices = nullptr;
  return kernels_.copy_rows.launch(stream, shape, rows);
}

Status Forward::write_logits(const Stream& stream, const BatchInputs& inputs,
                             const ChosenRows& rows, float* out) const {
  const Head& head = *geometry_.head;
  const DeviceHead& w = weights_.head;
  const std::int64_t layers = geometry_.num_hidden_layers;
  const void* in = workspace_.hidden;
  if (rows.tokens != nullptr) {
    RowsParams gather;
    gather.in = in;
    gather.out = workspace_.projection;
    gather.indices = rows.tokens;
    gather.rows = rows.count;
    gather.columns = static_cast<std::int32_t>(geometry_.hidden_size);
    FUSEBERT_RETURN_IF_ERROR(
        kernels_.gather_rows.launch(stream, KernelSet::row_shape(rows.most), gather));
    in = workspace_.projection;
  }
  if (head.dense != HeadDense::kNone) {
    FUSEBERT_RETURN_IF_ERROR(multiply_rows(stream, w.dense, in, rows.count, rows.most,
                                           gemm_activation(head.dense, geometry_.hidden_act),
                                           nullptr, workspace_.context_rows));
    in = workspace_.context_rows;
  }
  if (head.layer_norm) {
    LayerNormParams norm =
        norm_params(inputs, w.norm, in, workspace_.projection, head_dense_place(layers));
    norm.rows = rows.count;
    FUSEBERT_RETURN_IF_ERROR(
        kernels_.layer_norm.launch(stream, KernelSet::row_shape(rows.most), norm));
    in = workspace_.projection;
  }
  LogitsParams params;
  params.product = product_params(w.output, in, rows.count);
  params.out = out;
  params.outputs = static_cast<std::int32_t>(head.outputs);
  params.overflow = inputs.overflow();
  params.place = logits_place(layers);
  const GemmTile tile =
      choose_gemm_tile(rows.most, w.output.outputs, context_->multiprocessors());
  return kernels_.logits.launch(stream, tile, rows.most, params);
}

Status Forward::write_top_logits(const Stream& stream, const ChosenRows& rows, const float* logits,
                                 const TopLogits& top) const {
  TopKParams params;
  params.logits = logits;
  params.rows = rows.count;
  params.top_columns = top.columns;
  params.top_values = top.values;
  params.log_sum_exp = top.log_sum_exp;
  params.columns = static_cast<std::int32_t>(geometry_.head->outputs);
  params.count = top.count;
  const LaunchShape shape{
      .blocks = static_cast<unsigned>(rows.most), .threads = kTopKThreads, .shared_bytes = 0};
  return kernels_.top_k.launch(stream, shape, params);
}

}  // namespace fusebert::cuda
