// Loading: lay everything out once without memory to learn the size, once with it, then fill.
#include "cuda/encoder/device_weights.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "cuda/kernels/convert/convert_params.h"
#include "cuda/kernels/logits/logits.h"

namespace fusebert::cuda {
namespace {

constexpr std::int64_t kAlignment = 256;  // bytes
constexpr std::int64_t kElementBytes = 2;
constexpr std::int64_t kVectorElements = 8;  // of 16 bytes: rows are made of them
constexpr std::int64_t kStagingBytes = std::int64_t{8} << 20;
constexpr unsigned kConvertThreads = 256;
constexpr unsigned kConvertBlocks = 1024;

// Hands out aligned pieces of device memory, or only counts when there is none.
class Arena {
 public:
  explicit Arena(CUdeviceptr base) : base_(base) {}

  template <class T = void>
  T* take(std::int64_t bytes) {
    const CUdeviceptr piece = base_ + static_cast<CUdeviceptr>(used_);
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return base_ == 0 ? nullptr : reinterpret_cast<T*>(piece);
  }
  std::int64_t used() const { return used_; }

 private:
  CUdeviceptr base_;
  std::int64_t used_ = 0;
};

constexpr auto kFloatBytes = static_cast<std::int64_t>(sizeof(float));

DeviceLinear place_linear(Arena& arena, std::int64_t outputs, std::int64_t inputs) {
  DeviceLinear linear;
  linear.outputs = static_cast<std::int32_t>(outputs);
  linear.inputs = static_cast<std::int32_t>(inputs);
  linear.weight = arena.take(outputs * inputs * kElementBytes);
  linear.bias = arena.take<float>(outputs * kFloatBytes);
  return linear;
}

DeviceNorm place_norm(Arena& arena, std::int64_t columns) {
  DeviceNorm norm;
  norm.gamma = arena.take<float>(columns * kFloatBytes);
  norm.beta = arena.take<float>(columns * kFloatBytes);
  return norm;
}

DeviceHead place_head(Arena& arena, const Head& head, std::int64_t hidden, const void* words) {
  DeviceHead w;
  if (head.dense != HeadDense::kNone) w.dense = place_linear(arena, hidden, hidden);
  if (head.layer_norm) w.norm = place_norm(arena, hidden);
  const std::int64_t outputs = padded_outputs(head.outputs);
  if (!head.tied) {
    w.output = place_linear(arena, outputs, hidden);
    return w;
  }
  w.output.outputs = static_cast<std::int32_t>(outputs);
  w.output.inputs = static_cast<std::int32_t>(hidden);
  w.output.weight = words;
  w.output.bias = arena.take<float>(outputs * kFloatBytes);
  return w;
}

DeviceWeights place(Arena& arena, const Geometry& g) {
  const std::int64_t hidden = g.hidden_size;
  const std::int64_t heads = g.num_attention_heads * padded_head_dim(g.head_dim());
  DeviceWeights w;
  // Padded as logits of them would be.
  w.word_embeddings = arena.take(padded_outputs(g.vocab_size) * hidden * kElementBytes);
  w.position_embeddings = arena.take(g.max_position_embeddings * hidden * kElementBytes);
  if (g.has_token_types) {
    w.token_type_embeddings = arena.take(g.type_vocab_size * hidden * kElementBytes);
  }
  w.embedding_norm = place_norm(arena, hidden);
  for (std::int64_t i = 0; i < g.num_hidden_layers; ++i) {
    DeviceLayer layer;
    layer.query_key_value = place_linear(arena, 3 * heads, hidden);
    layer.attention_output = place_linear(arena, hidden, heads);
    layer.attention_norm = place_norm(arena, hidden);
    layer.intermediate = place_linear(arena, padded_intermediate_size(g), hidden);
    layer.output = place_linear(arena, hidden, padded_intermediate_size(g));
    layer.output_norm = place_norm(arena, hidden);
    w.layers.push_back(layer);
  }
  if (g.has_pooler) w.pooler = place_linear(arena, hidden, hidden);
  if (g.head.has_value()) w.head = place_head(arena, *g.head, hidden, w.word_embeddings);
  return w;
}

// Where a tensor goes.
struct Target {
  const void* memory = nullptr;
  bool to_float = false;
  std::int64_t stride = 0;  // elements from row to row
  Spread row_spread = {}, column_spread = {};
};

SourceType source_type(DType dtype) {
  return dtype == DType::kF32   ? SourceType::kF32
         : dtype == DType::kF16 ? SourceType::kF16
                                : SourceType::kBF16;
}

// Brings tensors to the device through two pinned buffers in turn: one is filled while the other is
// on its way.
class Uploader {
 public:
  static Result<Uploader> create(const ContextPointer& context, const Stream& stream,
                                 const Kernel& convert, const WeightTable& table,
                                 const BudgetPointer& budget);

  // `name`, [rows, columns].
  Status tensor(const std::string& name, std::int64_t rows, std::int64_t columns,
                const Target& target);
  // Waits for all of them and says what was wrong with the first that had a bad number.
  Status finish();

 private:
  struct Slot {
    PinnedMemory host;
    DeviceMemory device;
    Event free;
    bool used = false;
  };

  Uploader(const Stream& stream, const Kernel& convert, const WeightTable& table)
      : stream_(stream), convert_(convert), table_(table) {}
  const Api& api() const { return stream_.api(); }
  Status send(Slot& slot, std::int64_t bytes, const ConvertParams& params);
  std::int32_t* flag(int index) const {
    return reinterpret_cast<std::int32_t*>(flags_.get()) + index;
  }

  const Stream& stream_;
  const Kernel& convert_;
  const WeightTable& table_;
  std::array<Slot, 2> slots_;
  std::size_t next_ = 0;
  DeviceMemory flags_;  // [2]: not finite, too large
  std::vector<std::string> names_;
};

Result<Uploader> Uploader::create(const ContextPointer& context, const Stream& stream,
                                  const Kernel& convert, const WeightTable& table,
                                  const BudgetPointer& budget) {
  Uploader uploader(stream, convert, table);
  for (Slot& slot : uploader.slots_) {
    auto host = allocate_pinned(context, kStagingBytes);
    if (!host.ok()) return host.status();
    slot.host = std::move(host.value());
    auto device = allocate_device(context, kStagingBytes, budget);
    if (!device.ok()) return device.status();
    slot.device = std::move(device.value());
    auto event = create_event(context);
    if (!event.ok()) return event.status();
    slot.free = std::move(event.value());
  }
  auto flags = allocate_device(context, 2 * sizeof(std::int32_t), budget);
  if (!flags.ok()) return flags.status();
  uploader.flags_ = std::move(flags.value());
  // Two numbers of this byte each are larger than any place.
  constexpr unsigned char kLargeByte = 0x7F;
  FUSEBERT_CUDA_CHECK(uploader.api(), cuMemsetD8Async(uploader.flags_.get(), kLargeByte,
                                                      2 * sizeof(std::int32_t), stream.get()));
  return uploader;
}

Status Uploader::send(Slot& slot, std::int64_t bytes, const ConvertParams& params) {
  FUSEBERT_CUDA_CHECK(api(), cuMemcpyHtoDAsync(slot.device.get(), slot.host.get(),
                                               static_cast<std::size_t>(bytes), stream_.get()));
  const LaunchShape shape{
      .blocks = std::min(static_cast<unsigned>(params.rows), kConvertBlocks),
      .threads = kConvertThreads,
      .shared_bytes = 0};
  FUSEBERT_RETURN_IF_ERROR(convert_.launch(stream_, shape, params));
  slot.used = true;
  FUSEBERT_CUDA_CHECK(api(), cuEventRecord(slot.free.get(), stream_.get()));
  return Status();
}

Status Uploader::tensor(const std::string& name, std::int64_t rows, std::int64_t columns,
                        const Target& target) {
  const auto elements = table_.contiguous(name);
  if (!elements.ok()) return elements.status();
  const auto& [bytes, dtype] = elements.value();
  const bool as_it_is = !bytes.empty();
  const std::int64_t row_bytes =
      columns * static_cast<std::int64_t>(dtype_bytes(as_it_is ? dtype : DType::kF32));
  ConvertParams params;
  params.out = const_cast<void*>(target.memory);
  params.not_finite = flag(0);
  params.too_large = flag(1);
  params.place = static_cast<std::int32_t>(names_.size());
  params.columns = static_cast<std::int32_t>(columns);
  params.out_stride = static_cast<std::int32_t>(target.stride);
  params.row_spread = target.row_spread;
  params.column_spread = target.column_spread;
  params.type = as_it_is ? source_type(dtype) : SourceType::kF32;
  params.to_float = target.to_float ? 1 : 0;
  names_.push_back(name);
  const std::int64_t step = kStagingBytes / row_bytes;
  for (std::int64_t row = 0; row < rows; row += step) {
    const std::int64_t count = std::min(step, rows - row);
    Slot& slot = slots_[next_];
    next_ = 1 - next_;
    if (slot.used) FUSEBERT_CUDA_CHECK(api(), cuEventSynchronize(slot.free.get()));
    if (as_it_is) {
      std::memcpy(slot.host.get(), bytes.data() + row * row_bytes,
                  static_cast<std::size_t>(count * row_bytes));
    } else {
      FUSEBERT_RETURN_IF_ERROR(
          table_.copy_rows(name, row, count, static_cast<float*>(slot.host.get())));
    }
    params.in = reinterpret_cast<const void*>(slot.device.get());
    params.first_row = static_cast<std::int32_t>(row);
    params.rows = static_cast<std::int32_t>(count);
    FUSEBERT_RETURN_IF_ERROR(send(slot, count * row_bytes, params));
  }
  return Status();
}

Status Uploader::finish() {
  std::array<std::int32_t, 2> places{};
  void* host = slots_[0].host.get();
  FUSEBERT_CUDA_CHECK(api(), cuStreamSynchronize(stream_.get()));
  FUSEBERT_CUDA_CHECK(api(), cuMemcpyDtoHAsync(host, flags_.get(), sizeof places, stream_.get()));
  FUSEBERT_CUDA_CHECK(api(), cuStreamSynchronize(stream_.get()));
  std::memcpy(places.data(), host, sizeof places);
  const auto name_of = [&](std::int32_t place) { return names_[static_cast<std::size_t>(place)]; };
  const auto count = static_cast<std::int32_t>(names_.size());
  if (places[0] < count) {
    return Status(StatusCode::kTensorValue,
                  "Expected finite numbers in tensor " + name_of(places[0]) +
                      " but found a NaN or an infinity. The checkpoint is damaged.");
  }
  if (places[1] < count) {
    return Status(StatusCode::kTensorValue,
                  "Expected numbers in tensor " + name_of(places[1]) +
                      " that the model's type holds: fp16 can hold 65504 at most; dtype 'bf16' "
                      "holds larger ones.");
  }
  return Status();
}

// The tensors of an encoder, by name, to their places.
class Filler {
 public:
  Filler(Uploader& uploader, const Geometry& geometry)
      : uploader_(uploader), g_(geometry), head_dim_(static_cast<std::int32_t>(g_.head_dim())) {}

  Status fill(const DeviceWeights& w) {
    const std::string table = "embeddings.";
    FUSEBERT_RETURN_IF_ERROR(
        matrix(table + "word_embeddings.weight", g_.vocab_size, w.word_embeddings));
    FUSEBERT_RETURN_IF_ERROR(matrix(table + "position_embeddings.weight",
                                    g_.max_position_embeddings, w.position_embeddings));
    if (g_.has_token_types) {
      FUSEBERT_RETURN_IF_ERROR(matrix(table + "token_type_embeddings.weight", g_.type_vocab_size,
                                      w.token_type_embeddings));
    }
    FUSEBERT_RETURN_IF_ERROR(norm(table + "LayerNorm", w.embedding_norm));
    for (std::size_t i = 0; i < w.layers.size(); ++i) {
      FUSEBERT_RETURN_IF_ERROR(layer("encoder.layer." + std::to_string(i) + ".", w.layers[i]));
    }
    if (g_.has_pooler) {
      FUSEBERT_RETURN_IF_ERROR(linear("pooler.dense", w.pooler, g_.hidden_size, g_.hidden_size,
                                      Spread(), Spread()));
    }
    return g_.head.has_value() ? head(*g_.head, w.head) : Status();
  }

 private:
  Status layer(const std::string& name, const DeviceLayer& layer) {
    const Spread heads{head_dim_, padded_head_dim(head_dim_)};
    const std::int64_t share = layer.query_key_value.outputs / 3;
    const char* const parts[] = {"query", "key", "value"};
    for (std::int64_t i = 0; i < 3; ++i) {
      const DeviceLinear& all = layer.query_key_value;
      DeviceLinear part = all;
      part.weight = static_cast<const std::byte*>(all.weight) + i * share * all.inputs *
                                                                    kElementBytes;
      part.bias = all.bias + i * share;
      FUSEBERT_RETURN_IF_ERROR(linear(name + "attention.self." + parts[i], part,
                                      g_.hidden_size, g_.hidden_size, heads, Spread()));
    }
    FUSEBERT_RETURN_IF_ERROR(linear(name + "attention.output.dense", layer.attention_output,
                                    g_.hidden_size, g_.hidden_size, Spread(), heads));
    FUSEBERT_RETURN_IF_ERROR(norm(name + "attention.output.LayerNorm", layer.attention_norm));
    FUSEBERT_RETURN_IF_ERROR(linear(name + "intermediate.dense", layer.intermediate,
                                    g_.intermediate_size, g_.hidden_size, Spread(), Spread()));
    FUSEBERT_RETURN_IF_ERROR(linear(name + "output.dense", layer.output, g_.hidden_size,
                                    g_.intermediate_size, Spread(), Spread()));
    return norm(name + "output.LayerNorm", layer.output_norm);
  }

  Status head(const Head& head, const DeviceHead& w) {
    if (head.dense != HeadDense::kNone) {
      FUSEBERT_RETURN_IF_ERROR(linear("head.dense", w.dense, g_.hidden_size, g_.hidden_size,
                                      Spread(), Spread()));
    }
    if (head.layer_norm) FUSEBERT_RETURN_IF_ERROR(norm("head.LayerNorm", w.norm));
    if (!head.tied) {
      FUSEBERT_RETURN_IF_ERROR(matrix(head.output_weight(), head.outputs, w.output.weight));
    }
    return floats("head.output.bias", head.outputs, w.output.bias, Spread());
  }

  Status matrix(const std::string& name, std::int64_t rows, const void* memory) {
    return uploader_.tensor(name, rows, g_.hidden_size,
                            {.memory = memory, .stride = g_.hidden_size});
  }
  Status floats(const std::string& name, std::int64_t count, const float* memory,
                const Spread& spread) {
    return uploader_.tensor(
        name, 1, count, {.memory = memory, .to_float = true, .column_spread = spread});
  }
  Status norm(const std::string& name, const DeviceNorm& norm) {
    FUSEBERT_RETURN_IF_ERROR(floats(name + ".weight", g_.hidden_size, norm.gamma, Spread()));
    return floats(name + ".bias", g_.hidden_size, norm.beta, Spread());
  }
  // `outputs` and `inputs` are the checkpoint's, without padding.
  Status linear(const std::string& name, const DeviceLinear& linear, std::int64_t outputs,
                std::int64_t inputs, const Spread& rows, const Spread& columns) {
    FUSEBERT_RETURN_IF_ERROR(uploader_.tensor(name + ".weight", outputs, inputs,
                                              {.memory = linear.weight,
                                               .stride = linear.inputs,
                                               .row_spread = rows,
                                               .column_spread = columns}));
    return floats(name + ".bias", outputs, linear.bias, rows);
  }

  Uploader& uploader_;
  const Geometry& g_;
  std::int32_t head_dim_;
};

}  // namespace

std::int64_t padded_intermediate_size(const Geometry& geometry) {
  return (geometry.intermediate_size + kVectorElements - 1) / kVectorElements * kVectorElements;
}

Result<DeviceWeights> DeviceWeights::load(const ContextPointer& context, const Stream& stream,
                                          const KernelSet& kernels, const Geometry& geometry,
                                          const WeightTable& table, const BudgetPointer& budget) {
  Arena measure(0);
  place(measure, geometry);
  const auto bytes = static_cast<std::size_t>(measure.used());
  auto memory = allocate_device(context, bytes, budget);
  if (!memory.ok()) return memory.status();
  Arena arena(memory.value().get());
  DeviceWeights weights = place(arena, geometry);
  weights.memory = std::move(memory.value());
  weights.bytes = measure.used();
  // Padding must be zero.
  FUSEBERT_CUDA_CHECK(context->api(),
                      cuMemsetD8Async(weights.memory.get(), 0, bytes, stream.get()));
  auto uploader = Uploader::create(context, stream, kernels.convert, table, budget);
  if (!uploader.ok()) return uploader.status();
  const Status filled = Filler(uploader.value(), geometry).fill(weights);
  const Status finished = uploader.value().finish();
  FUSEBERT_RETURN_IF_ERROR(filled);
  FUSEBERT_RETURN_IF_ERROR(finished);
  return weights;
}

}  // namespace fusebert::cuda
