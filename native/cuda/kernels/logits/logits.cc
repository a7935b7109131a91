// The host's side of the logits kernels.
#include "cuda/kernels/logits/logits.h"

#include <cstddef>

#include "cuda/kernels/gemm/gemm.h"

namespace fusebert::cuda {
namespace {

constexpr const char* kKernels[kGemmTiles] = {"logits_large", "logits_medium", "logits_small"};

}  // namespace

Result<LogitsKernels> LogitsKernels::load(const Module& module, int architecture) {
  LogitsKernels logits;
  for (std::size_t i = 0; i < kGemmTiles; ++i) {
    const GemmTileShape shape = gemm_launch_shape(static_cast<GemmTile>(i), architecture);
    auto kernel = Kernel::find(module, kKernels[i], static_cast<unsigned>(shape.shared_bytes()));
    if (!kernel.ok()) return kernel.status();
    logits.kernels_[i] = kernel.value();
    logits.shapes_[i] = shape;
  }
  return logits;
}

Status LogitsKernels::launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                             const LogitsParams& params) const {
  const auto index = static_cast<std::size_t>(tile);
  return kernels_[index].launch(
      stream, gemm_launch(shapes_[index], most_rows, params.product.columns), params);
}

}  // namespace fusebert::cuda
