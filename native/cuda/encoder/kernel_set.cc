// Finding each kernel in its module.
#include "cuda/encoder/kernel_set.h"

#include <iterator>
#include <utility>

#include "cuda/kernels/common/rows.h"
#include "cuda/kernels/pooling/pooling_params.h"

namespace fusebert::cuda {
namespace {

constexpr int kVectorElements = 8;  // 16 bytes: rows begin there
#define FUSEBERT_COLUMNS(columns, chunks) columns,
constexpr std::int64_t kRowColumns[] = {FUSEBERT_FOR_ROWS(FUSEBERT_COLUMNS)};
#undef FUSEBERT_COLUMNS
constexpr std::int64_t kMostColumns = *std::rbegin(kRowColumns);

unsigned pool_shared_bytes(std::int64_t columns) {
  const int warps = pooling_warps(static_cast<int>(columns));
  return static_cast<unsigned>(warps * (columns + 1) * static_cast<std::int64_t>(sizeof(float)));
}

Status refuse(const std::string& what, std::int64_t value) {
  return Status(StatusCode::kConfig, "The CUDA kernels run models with " + what +
                                         ", but the model has " + std::to_string(value) + ".");
}

}  // namespace

Status check_runs(const Geometry& g) {
  if (g.hidden_size % kVectorElements != 0) {
    return refuse("a hidden_size that is a multiple of 8", g.hidden_size);
  }
  if (g.hidden_size > kMostColumns) {
    return refuse("a hidden_size of at most " + std::to_string(kMostColumns), g.hidden_size);
  }
  if (padded_head_dim(g.head_dim()) == 0) {
    return refuse("heads of at most 128 numbers", g.head_dim());
  }
  return Status();
}

std::string row_kernel(const std::string& name, std::int64_t columns) {
  for (const std::int64_t each : kRowColumns) {
    if (columns <= each) return name + '_' + std::to_string(each);
  }
  return name;  // check_runs() refuses longer ones
}

LaunchShape KernelSet::row_shape(std::int64_t rows) {
  return {.blocks = static_cast<unsigned>((rows + kBlockRows - 1) / kBlockRows),
          .threads = kRowThreads,
          .shared_bytes = 0};
}

LaunchShape KernelSet::pool_shape(std::int64_t sequences, std::int64_t columns) {
  return {.blocks = static_cast<unsigned>(sequences),
          .threads = static_cast<unsigned>(pooling_warps(static_cast<int>(columns)) * kRowWarpSize),
          .shared_bytes = pool_shared_bytes(columns)};
}

Result<KernelSet> KernelSet::load(const ContextPointer& context, const Geometry& geometry,
                                  const ModuleSource& modules) {
  KernelSet set;
  // The newest module, for what follows it.
  const auto open = [&](const char* file) -> Status {
    auto module = modules(file);
    if (!module.ok()) return module.status();
    set.modules_.push_back(std::move(module.value()));
    return Status();
  };
  const auto find = [&](Kernel& kernel, const std::string& name, unsigned shared_bytes) -> Status {
    auto found = Kernel::find(set.modules_.back(), name, shared_bytes);
    if (found.ok()) kernel = found.value();
    return found.status();
  };
  const std::int64_t columns = geometry.hidden_size;
  FUSEBERT_RETURN_IF_ERROR(open("gemm"));
  auto gemm = GemmKernels::load(set.modules_.back(), context->architecture());
  if (!gemm.ok()) return gemm.status();
  set.gemm = gemm.value();
  FUSEBERT_RETURN_IF_ERROR(open("attention"));
  auto attention =
      AttentionKernels::load(set.modules_.back(), padded_head_dim(geometry.head_dim()));
  if (!attention.ok()) return attention.status();
  set.attention = attention.value();
  FUSEBERT_RETURN_IF_ERROR(open("embeddings"));
  FUSEBERT_RETURN_IF_ERROR(find(set.embeddings, row_kernel("embeddings", columns), 0));
  FUSEBERT_RETURN_IF_ERROR(open("layer_norm"));
  FUSEBERT_RETURN_IF_ERROR(find(set.layer_norm, row_kernel("layer_norm", columns), 0));
  FUSEBERT_RETURN_IF_ERROR(open("pooling"));
  FUSEBERT_RETURN_IF_ERROR(
      find(set.pool, row_kernel("pool", columns), pool_shared_bytes(columns)));
  FUSEBERT_RETURN_IF_ERROR(find(set.copy_rows, row_kernel("copy_rows", columns), 0));
  FUSEBERT_RETURN_IF_ERROR(find(set.gather_rows, row_kernel("gather_rows", columns), 0));
  FUSEBERT_RETURN_IF_ERROR(open("convert"));
  FUSEBERT_RETURN_IF_ERROR(find(set.convert, "convert", 0));
  if (!geometry.head.has_value()) return set;
  FUSEBERT_RETURN_IF_ERROR(open("logits"));
  auto logits = LogitsKernels::load(set.modules_.back(), context->architecture());
  if (!logits.ok()) return logits.status();
  set.logits = logits.value();
  FUSEBERT_RETURN_IF_ERROR(open("top_k"));
  FUSEBERT_RETURN_IF_ERROR(find(set.top_k, "top_k", 0));
  return set;
}

}  // namespace fusebert::cuda
