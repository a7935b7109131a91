// Inputs, launches and times of kernels.h.
#include "gpu/kernels.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cuda/driver/context.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/kernels/attention/attention.h"
#include "cuda/kernels/common/images.h"
#include "cuda/kernels/gemm/gemm.h"
#include "cuda/kernels/layer_norm/layer_norm_params.h"

namespace fusebert::cuda {
namespace {

constexpr std::int64_t kElementBytes = 2;
// More than any device's L2 cache, so that what one run leaves there does not help the next.
constexpr std::int64_t kRotatedBytes = 192LL << 20;
constexpr std::int64_t kMostSets = 64;

// What is open: one device, one type.
struct Bench {
  ContextPointer context;
  Stream stream;
  std::string images;
  bool bf16 = false;
  std::string kind;  // of the images, once one was loaded
  std::map<std::string, Module> modules;
  std::string description;
};

std::optional<Bench>& bench() {
  static auto& open = *new std::optional<Bench>;  // the driver may be gone before static objects
  return open;
}

std::string& last_error() {
  static std::string error;
  return error;
}

Result<std::string> read_image(const std::string& file, const std::string& kind) {
  const int architecture = image_architecture(bench()->context->architecture());
  const std::string path = bench()->images + '/' + file + (bench()->bf16 ? ".bf16" : ".fp16") +
                           ".sm_" + std::to_string(architecture) + '.' + kind;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return Status(StatusCode::kInvalidArgument, "Expected an image at " + path + ".");
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

Result<const Module*> module(const std::string& file) {
  const auto found = bench()->modules.find(file);
  if (found != bench()->modules.end()) return &std::as_const(found->second);
  Status refused;
  for (const char* kind : {"cubin", "ptx"}) {
    const auto image = read_image(file, kind);
    refused = image.status();
    if (!image.ok()) continue;
    auto loaded = load_module(bench()->context, image.value().c_str());
    refused = loaded.status();
    if (loaded.ok()) {
      bench()->kind = kind;
      return &std::as_const(
          bench()->modules.emplace(file, std::move(loaded.value())).first->second);
    }
  }
  return refused;
}

// Numbers of magnitude 1/16 to 1 and either sign, of the open type.
std::vector<std::uint16_t> random_numbers(std::size_t count) {
  const bool bf16 = bench()->bf16;
  const unsigned mantissa_bits = bf16 ? 7 : 10, least_exponent = bf16 ? 123 : 11;
  std::mt19937 random(1);
  std::vector<std::uint16_t> values(count);
  for (std::uint16_t& value : values) {
    const unsigned bits = random();
    const unsigned exponent = least_exponent + (bits >> 16 & 3);
    const unsigned mantissa = bits & ((1u << mantissa_bits) - 1);
    value = static_cast<std::uint16_t>((bits >> 31 << 15) | exponent << mantissa_bits | mantissa);
  }
  return values;
}

Status wait() {
  const Stream& stream = bench()->stream;
  return stream.api().check(stream.api().cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
}

// Device memory filled by the host.
class Filled {
 public:
  template <class T>
  Status fill(std::span<const T> values) {
    FUSEBERT_RETURN_IF_ERROR(allocate(values.size_bytes()));
    FUSEBERT_RETURN_IF_ERROR(copy(0, values.data(), values.size_bytes()));
    return wait();
  }
  // With random numbers, the same ones again and again.
  Status fill_with_numbers(std::int64_t count, const std::vector<std::uint16_t>& numbers) {
    const auto bytes = static_cast<std::size_t>(count * kElementBytes);
    const std::size_t step = numbers.size() * sizeof numbers[0];
    FUSEBERT_RETURN_IF_ERROR(allocate(bytes));
    for (std::size_t done = 0; done < bytes; done += step) {
      FUSEBERT_RETURN_IF_ERROR(copy(done, numbers.data(), std::min(step, bytes - done)));
    }
    return wait();
  }

  template <class T = void>
  T* data() const {
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  Status allocate(std::size_t bytes) {
    auto memory = allocate_device(bench()->context, std::max<std::size_t>(1, bytes));
    if (memory.ok()) memory_ = std::move(memory.value());
    return memory.status();
  }
  Status copy(std::size_t offset, const void* from, std::size_t bytes) {
    const Stream& stream = bench()->stream;
    const CUresult result =
        stream.api().cuMemcpyHtoDAsync(memory_.get() + offset, from, bytes, stream.get());
    return stream.api().check(result, "cuMemcpyHtoDAsync");
  }

  DeviceMemory memory_;
};

// What runs take in turn: `sets` copies of arrays of numbers of the open type, of these sizes. One
// will do for a launch that is not timed, with `repeats` 0.
class Rotation {
 public:
  // The last one is kept: rounds take turns with others that are timed.
  static Result<const Rotation*> get(const std::vector<std::int64_t>& counts, int repeats) {
    static auto& kept = *new Rotation;  // the driver may be gone before static objects
    const std::size_t sets = repeats == 0 ? 1 : sets_of(counts);
    if (kept.counts_ == counts && kept.sets_.size() == sets) {
      return const_cast<const Rotation*>(&kept);
    }
    kept = Rotation();
    auto rotation = create(counts, sets);
    if (!rotation.ok()) return rotation.status();
    kept = std::move(rotation.value());
    return const_cast<const Rotation*>(&kept);
  }
  const std::vector<Filled>& at(int run) const {
    return sets_[static_cast<std::size_t>(run) % sets_.size()];
  }

 private:
  static std::size_t sets_of(const std::vector<std::int64_t>& counts) {
    std::int64_t bytes = 0;
    for (const std::int64_t count : counts) bytes += count * kElementBytes;
    return static_cast<std::size_t>(std::min(kRotatedBytes / bytes + 1, kMostSets));
  }
  static Result<Rotation> create(const std::vector<std::int64_t>& counts, std::size_t sets) {
    Rotation rotation;
    rotation.sets_.resize(sets);
    static constexpr std::size_t kDistinct = 4 << 20;
    const std::size_t most = static_cast<std::size_t>(*std::ranges::max_element(counts));
    const auto numbers = random_numbers(std::min(most, kDistinct));
    for (auto& set : rotation.sets_) {
      set.resize(counts.size());
      for (std::size_t i = 0; i < counts.size(); ++i) {
        FUSEBERT_RETURN_IF_ERROR(set[i].fill_with_numbers(counts[i], numbers));
      }
    }
    rotation.counts_ = counts;
    return rotation;
  }

  std::vector<std::int64_t> counts_;
  std::vector<std::vector<Filled>> sets_;
};

// Seconds of one launch(run), after a few to warm up; without repeats, one launch is all.
Result<double> time(int repeats, const std::function<Status(int)>& launch) {
  const int warm_ups = repeats == 0 ? 1 : 3;
  for (int run = 0; run < warm_ups; ++run) FUSEBERT_RETURN_IF_ERROR(launch(run));
  FUSEBERT_RETURN_IF_ERROR(wait());
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  for (int run = 0; run < repeats; ++run) FUSEBERT_RETURN_IF_ERROR(launch(run));
  FUSEBERT_RETURN_IF_ERROR(wait());
  return std::chrono::duration<double>(Clock::now() - begin).count() / std::max(1, repeats);
}

Result<GemmActivation> activation_of(std::string_view name) {
  if (name == "none") return GemmActivation::kNone;
  if (name == "gelu") return GemmActivation::kGelu;
  if (name == "tanh") return GemmActivation::kTanh;
  return Status(StatusCode::kInvalidArgument, "Expected none, gelu or tanh as activation.");
}

Result<GemmTile> tile_of(std::string_view name, std::int64_t rows, std::int64_t columns) {
  if (name.empty()) return choose_gemm_tile(rows, columns, bench()->context->multiprocessors());
  for (const GemmTile tile : {GemmTile::kLarge, GemmTile::kMedium, GemmTile::kSmall}) {
    if (gemm_kernel(tile) == "gemm_" + std::string(name)) return tile;
  }
  return Status(StatusCode::kInvalidArgument, "Expected large, medium or small as tile.");
}

Result<double> time_gemm(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                         std::string_view activation, bool with_residual, std::string_view tile,
                         int repeats) {
  const auto applied = activation_of(activation);
  if (!applied.ok()) return applied.status();
  const auto chosen = tile_of(tile, rows, columns);
  if (!chosen.ok()) return chosen.status();
  const auto image = module("gemm");
  if (!image.ok()) return image.status();
  auto kernels = GemmKernels::load(*image.value(), bench()->context->architecture());
  if (!kernels.ok()) return kernels.status();
  const std::int64_t out = rows * columns;
  const std::int64_t added = with_residual ? out : 8;
  auto arrays = Rotation::get({rows * depth, columns * depth, added, out}, repeats);
  if (!arrays.ok()) return arrays.status();
  Filled bias, row_count;
  const std::vector<float> zeros(static_cast<std::size_t>(columns), 0.25f);
  FUSEBERT_RETURN_IF_ERROR(bias.fill(std::span(zeros)));
  const std::array<std::int32_t, 1> count{static_cast<std::int32_t>(rows)};
  FUSEBERT_RETURN_IF_ERROR(row_count.fill(std::span<const std::int32_t>(count)));
  GemmParams params;
  params.bias = bias.data<float>();
  params.rows = row_count.data<std::int32_t>();
  params.columns = params.out_stride = static_cast<std::int32_t>(columns);
  params.depth = params.in_stride = params.weight_stride = static_cast<std::int32_t>(depth);
  params.activation = applied.value();
  return time(repeats, [&](int run) {
    const auto& set = arrays.value()->at(run);
    params.in = set[0].data();
    params.weight = set[1].data();
    params.residual = with_residual ? set[2].data() : nullptr;
    params.out = set[3].data();
    return kernels.value().launch(bench()->stream, chosen.value(), rows, params);
  });
}

Result<double> time_attention(std::span<const std::int32_t> lengths, int heads, int head_dim,
                              int repeats) {
  const auto image = module("attention");
  if (!image.ok()) return image.status();
  auto kernels = AttentionKernels::load(*image.value(), head_dim);
  if (!kernels.ok()) return kernels.status();
  std::vector<std::int32_t> cu_seqlens{0};
  for (const std::int32_t length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
  AttentionCut cut;
  cut_attention(cu_seqlens, heads, head_dim, cut);
  const std::int64_t numbers = std::int64_t{cu_seqlens.back()} * heads * head_dim;
  auto arrays = Rotation::get({3 * numbers, numbers}, repeats);
  if (!arrays.ok()) return arrays.status();
  Filled plan, items;
  FUSEBERT_RETURN_IF_ERROR(plan.fill(std::span<const AttentionPlan>(&cut.plan, 1)));
  FUSEBERT_RETURN_IF_ERROR(items.fill(std::span<const AttentionItem>(cut.items)));
  AttentionParams params;
  params.plan = plan.data<AttentionPlan>();
  params.items = items.data<AttentionItem>();
  params.heads = heads;
  params.scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  return time(repeats, [&](int run) {
    params.query_key_value = arrays.value()->at(run)[0].data();
    params.context = arrays.value()->at(run)[1].data();
    return kernels.value().launch(bench()->stream, cut.short_blocks(), cut.long_blocks, params);
  });
}

Result<double> time_layer_norm(std::int64_t rows, std::int64_t columns, int repeats) {
  const auto image = module("layer_norm");
  if (!image.ok()) return image.status();
  auto kernel = Kernel::find(*image.value(), row_kernel("layer_norm", columns), 0);
  if (!kernel.ok()) return kernel.status();
  auto arrays = Rotation::get({rows * columns, rows * columns}, repeats);
  if (!arrays.ok()) return arrays.status();
  Filled gamma, counts;
  const std::vector<float> ones(static_cast<std::size_t>(columns), 1.0f);
  FUSEBERT_RETURN_IF_ERROR(gamma.fill(std::span(ones)));
  const std::array<std::int32_t, 2> numbers{static_cast<std::int32_t>(rows), 0};
  FUSEBERT_RETURN_IF_ERROR(counts.fill(std::span<const std::int32_t>(numbers)));
  LayerNormParams params;
  params.gamma = params.beta = gamma.data<float>();
  params.rows = counts.data<std::int32_t>();
  params.overflow = counts.data<std::int32_t>() + 1;
  params.columns = static_cast<std::int32_t>(columns);
  params.epsilon = 1e-12f;
  return time(repeats, [&](int run) {
    params.in = arrays.value()->at(run)[0].data();
    params.out = arrays.value()->at(run)[1].data();
    return kernel.value().launch(bench()->stream, KernelSet::row_shape(rows), params);
  });
}

Status open_bench(int ordinal, const char* images, std::string_view type) {
  const auto api = Api::get();
  if (!api.ok()) return api.status();
  auto context = Context::open(*api.value(), ordinal);
  if (!context.ok()) return context.status();
  const ContextScope scope(*context.value());
  FUSEBERT_RETURN_IF_ERROR(scope.status());
  auto stream = create_stream(context.value());
  if (!stream.ok()) return stream.status();
  bench().emplace();
  bench()->context = context.value();
  bench()->stream = std::move(stream.value());
  bench()->images = images;
  bench()->bf16 = type == "bf16";
  const auto first = module("gemm");
  if (!first.ok()) return first.status();
  const Context& device = *bench()->context;
  bench()->description = "{\"name\": \"" + device.name() + "\", \"architecture\": " +
                         std::to_string(device.architecture()) + ", \"multiprocessors\": " +
                         std::to_string(device.multiprocessors()) + ", \"driver\": " +
                         std::to_string(api.value()->driver_version) + ", \"images\": \"" +
                         bench()->kind + "\"}";
  return Status();
}

// Runs what needs the open device; -1 when there is none, or it failed.
double measured(const std::function<Result<double>()>& run) {
  last_error() = bench().has_value() ? "" : "No device is open.";
  if (!bench().has_value()) return -1;
  const ContextScope scope(*bench()->context);
  const Status entered = scope.status();
  const Result<double> result = entered.ok() ? run() : Result<double>(entered);
  if (result.ok()) return result.value();
  last_error() = result.status().message();
  return -1;
}

}  // namespace
}  // namespace fusebert::cuda

using namespace fusebert::cuda;  // the rest of the file is the C interface

const char* fusebert_bench_error() { return last_error().c_str(); }

int fusebert_bench_open(int ordinal, const char* images, const char* type) {
  const fusebert::Status status = open_bench(ordinal, images, type);
  last_error() = status.message();
  if (!status.ok()) bench().reset();
  return status.ok() ? 0 : 1;
}

const char* fusebert_bench_device() {
  return bench().has_value() ? bench()->description.c_str() : "{}";
}

double fusebert_bench_gemm(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                           const char* activation, int with_residual, const char* tile,
                           int repeats) {
  return measured([&] {
    return time_gemm(rows, columns, depth, activation, with_residual != 0, tile, repeats);
  });
}

double fusebert_bench_attention(const std::int32_t* lengths, std::int64_t sequences, int heads,
                                int head_dim, int repeats) {
  return measured([&] {
    return time_attention({lengths, static_cast<std::size_t>(sequences)}, heads, head_dim,
                          repeats);
  });
}

double fusebert_bench_layer_norm(std::int64_t rows, std::int64_t columns, int repeats) {
  return measured([&] { return time_layer_norm(rows, columns, repeats); });
}
