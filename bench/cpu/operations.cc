// Inputs and launches of operations.h.
#include "cpu/operations.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "cpu/work_split.h"

namespace fusebert::cpu {
namespace {

// BERT-Base.
constexpr int64_t kLayers = 12;
constexpr int64_t kHidden = 768;
constexpr int64_t kIntermediate = 3072;
constexpr int64_t kHeads = 12;
constexpr int64_t kHeadDim = kHidden / kHeads;
constexpr int64_t kVocabulary = 30522;
constexpr int64_t kPositions = 512;
constexpr float kEps = 1e-12f;

constexpr int64_t kTokens = 1024;
constexpr int64_t kFloatBytes = sizeof(float);
// As in native/cpu/encoder.cc: an odd number of cache lines, room for whole panels.
constexpr int64_t kWidestPanel = 32;
constexpr uint32_t kSeed = 9;

Status allocate(int64_t floats, AlignedBuffer& buffer) {
  auto memory = AlignedBuffer::allocate(floats);
  if (!memory.ok()) return memory.status();
  buffer = std::move(memory.value());
  return Status();
}

// Uniform numbers in [-scale, scale).
Status allocate_random(int64_t floats, float scale, AlignedBuffer& buffer) {
  FUSEBERT_RETURN_IF_ERROR(allocate(floats, buffer));
  std::minstd_rand random(kSeed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::generate_n(buffer.data(), floats, [&] { return uniform(random); });
  return Status();
}

Status allocate_block(int64_t columns, Block& block) {
  block.columns = columns;
  block.stride = round_up(columns, kWidestPanel) + kCacheLineFloats;
  return allocate_random(kTokens * block.stride, 1.0f, block.memory);
}

}  // namespace

int64_t Operations::layers() { return kLayers; }

Result<std::unique_ptr<Operations>> Operations::create(const Kernels& kernels,
                                                       std::shared_ptr<ThreadPool> pool) {
  std::unique_ptr<Operations> operations(new Operations(kernels, std::move(pool)));
  FUSEBERT_RETURN_IF_ERROR(operations->prepare());
  return operations;
}

Status Operations::prepare() {
  struct Wish {
    Block* block;
    int64_t columns;
  };
  for (const Wish& wish : {Wish{&hidden_, kHidden}, Wish{&query_key_value_, 3 * kHidden},
                           Wish{&context_, kHidden}, Wish{&projection_, kHidden},
                           Wish{&intermediate_, kIntermediate}}) {
    FUSEBERT_RETURN_IF_ERROR(allocate_block(wish.columns, *wish.block));
  }
  const auto add = [&](const char* name, Epilogue epilogue, const Block& in, const Block* residual,
                       const Block& out) {
    return add_product({name, in.columns, out.columns, epilogue, &in, residual, &out, {}, {}});
  };
  FUSEBERT_RETURN_IF_ERROR(
      add("query, key, value", Epilogue::kNone, hidden_, nullptr, query_key_value_));
  FUSEBERT_RETURN_IF_ERROR(
      add("attention output", Epilogue::kResidual, context_, &hidden_, projection_));
  FUSEBERT_RETURN_IF_ERROR(
      add("intermediate", Epilogue::kGelu, hidden_, nullptr, intermediate_));
  FUSEBERT_RETURN_IF_ERROR(
      add("output", Epilogue::kResidual, intermediate_, &hidden_, projection_));
  for (AlignedBuffer* table : {&gamma_, &beta_, &types_}) {
    FUSEBERT_RETURN_IF_ERROR(allocate_random(kHidden, 1.0f, *table));
  }
  FUSEBERT_RETURN_IF_ERROR(allocate_random(kVocabulary * kHidden, 1.0f, words_));
  FUSEBERT_RETURN_IF_ERROR(allocate_random(kPositions * kHidden, 1.0f, positions_));
  std::minstd_rand random(kSeed);
  std::uniform_int_distribution<int32_t> uniform(0, static_cast<int32_t>(kVocabulary) - 1);
  input_ids_.resize(kTokens);
  std::generate(input_ids_.begin(), input_ids_.end(), [&] { return uniform(random); });
  type_ids_.assign(kTokens, 0);
  position_ids_.resize(kTokens);
  for (int64_t i = 0; i < kTokens; ++i) {
    position_ids_[static_cast<size_t>(i)] = static_cast<int32_t>(i % kPositions);
  }
  scratch_floats_ =
      round_up(kernels_.attention_scratch_floats(kPositions, kHeadDim), kCacheLineFloats);
  return allocate(scratch_floats_ * pool_->size(), scratch_);
}

Status Operations::add_product(Product product) {
  const int64_t width = kernels_.gemm_panel_width;
  const int64_t panels = (product.outputs + width - 1) / width;
  // The scale of a layer's weights, so that sums stay of the size of one.
  FUSEBERT_RETURN_IF_ERROR(
      allocate_random(kLayers * panels * product.inputs * width, 0.04f, product.panels));
  FUSEBERT_RETURN_IF_ERROR(allocate_random(panels * width, 0.04f, product.bias));
  products_.push_back(std::move(product));
  return Status();
}

template <class Task>
void Operations::parallel(int64_t units, const Task& task) {
  queue_.reset(units);
  const auto work = [&](int64_t thread) {
    queue_.work(thread, [&](int64_t unit) { task(unit, thread); });
  };
  pool_->run(std::min<int64_t>(units, pool_->size()), std::cref(work));
}

template <class Task>
void Operations::parallel_ranges(int64_t count, const Task& task) {
  const int64_t units = std::min(count, pool_->size() * kUnitsPerThread);
  parallel(units,
           [&](int64_t unit, int64_t) { task(count * unit / units, count * (unit + 1) / units); });
}

void Operations::multiply(const Product& product, Epilogue epilogue) {
  const int64_t width = kernels_.gemm_panel_width;
  const int64_t panels = (product.outputs + width - 1) / width;
  const bool residual = epilogue == Epilogue::kResidual;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const GemmArguments arguments = {
        product.in->memory.data(),
        product.panels.data() + layer * panels * product.inputs * width,
        product.bias.data(),
        residual ? product.residual->memory.data() : nullptr,
        product.out->memory.data(),
        product.inputs,
        product.in->stride,
        residual ? product.residual->stride : 0,
        product.out->stride,
        epilogue};
    const GemmGrid grid = cut_gemm(kTokens, panels, pool_->size(), kernels_);
    parallel(grid.units(),
             [&](int64_t unit, int64_t) { kernels_.gemm(arguments, grid.unit(unit)); });
  }
}

void Operations::attend(int64_t sequence_length) {
  const int64_t sequences = kTokens / sequence_length;
  std::vector<int32_t> cu_seqlens(static_cast<size_t>(sequences) + 1);
  for (size_t i = 0; i < cu_seqlens.size(); ++i) {
    cu_seqlens[i] = static_cast<int32_t>(i) * static_cast<int32_t>(sequence_length);
  }
  const int64_t parts = attention_parts(sequences, kHeads, pool_->size());
  const auto attend_one = [&](int64_t sequence, int64_t head, int64_t row_begin, int64_t row_end,
                              float* scratch) {
    const int64_t begin = sequence * sequence_length;
    const AttentionArguments arguments = {
        query_key_value_.memory.data() + begin * query_key_value_.stride,
        context_.memory.data() + begin * context_.stride,
        sequence_length,
        kHidden,
        kHeadDim,
        query_key_value_.stride,
        context_.stride};
    kernels_.attention(arguments, head, row_begin, row_end, scratch);
  };
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    parallel(parts, [&](int64_t part, int64_t thread) {
      float* scratch = scratch_.data() + thread * scratch_floats_;
      for_each_attention(cu_seqlens.data(), sequences, kHeads, kernels_.gemm_tile_rows, part, parts,
                         [&](int64_t sequence, int64_t head, int64_t row_begin, int64_t row_end) {
                           attend_one(sequence, head, row_begin, row_end, scratch);
                         });
    });
  }
}

void Operations::normalize() {
  const LayerNormArguments arguments = {projection_.memory.data(), hidden_.memory.data(),
                                        gamma_.data(),             beta_.data(),
                                        kHidden,                   projection_.stride,
                                        hidden_.stride,            kEps};
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    parallel_ranges(kTokens, [&](int64_t begin, int64_t end) {
      kernels_.layer_norm(arguments, begin, end);
    });
  }
}

void Operations::embed() {
  EmbeddingArguments arguments;
  arguments.input_ids = input_ids_.data();
  arguments.token_type_ids = type_ids_.data();
  arguments.positions = position_ids_.data();
  arguments.words = words_.data();
  arguments.types = types_.data();
  arguments.position_table = positions_.data();
  arguments.norm = {nullptr, hidden_.memory.data(), gamma_.data(), beta_.data(), kHidden, 0,
                    hidden_.stride, kEps};
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    parallel_ranges(kTokens,
                    [&](int64_t begin, int64_t end) { kernels_.embed(arguments, begin, end); });
  }
}

std::vector<Operation> Operations::list() {
  std::vector<Operation> list;
  const auto matrix_bytes = [](int64_t columns) {
    return static_cast<double>(kLayers * kTokens * columns * kFloatBytes);
  };
  const auto add_gemm = [&](const Product& product, Epilogue epilogue, const char* suffix) {
    const int64_t weights = product.inputs * product.outputs;
    const double residual = epilogue == Epilogue::kResidual ? matrix_bytes(product.outputs) : 0;
    list.push_back({product.name + suffix, static_cast<double>(2 * kLayers * kTokens * weights),
                    matrix_bytes(product.inputs) + matrix_bytes(product.outputs) + residual +
                        static_cast<double>(kLayers * weights * kFloatBytes),
                    [this, &product, epilogue] { multiply(product, epilogue); }});
  };
  for (const Product& product : products_) add_gemm(product, Epilogue::kNone, ", bias only");
  for (const Product& product : products_) {
    if (product.epilogue == Epilogue::kGelu) add_gemm(product, product.epilogue, ", with GELU");
    if (product.epilogue == Epilogue::kResidual) {
      add_gemm(product, product.epilogue, ", with residual");
    }
  }
  for (const int64_t length : {int64_t{128}, int64_t{512}}) {
    list.push_back({"attention, S = " + std::to_string(length),
                    static_cast<double>(4 * kLayers * kTokens * length * kHidden),
                    matrix_bytes(3 * kHidden) + matrix_bytes(kHidden),
                    [this, length] { attend(length); }});
  }
  // Two passes of sums, a subtraction, a multiplication and a multiply-add an element.
  constexpr int64_t kNormFlop = 7;
  list.push_back({"LayerNorm", static_cast<double>(kLayers * kTokens * kHidden * kNormFlop),
                  2 * matrix_bytes(kHidden), [this] { normalize(); }});
  // Two additions more.
  list.push_back({"embeddings with LayerNorm",
                  static_cast<double>(kLayers * kTokens * kHidden * (kNormFlop + 2)),
                  3 * matrix_bytes(kHidden), [this] { embed(); }});
  return list;
}

}  // namespace fusebert::cpu
