// Launching the logits kernels, whose tiles are those of the GEMM.
#pragma once

#include <array>
#include <cstdint>

#include "core/status.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/logits/logits_params.h"

namespace fusebert::cuda {

// `outputs` rounded up to what the kernels want of weight and bias.
constexpr std::int64_t padded_outputs(std::int64_t outputs) { return (outputs + 7) / 8 * 8; }

class LogitsKernels {
 public:
  static Result<LogitsKernels> load(const Module& module, int architecture);

  // `most_rows`: at least as many as *params.product.rows will be.
  Status launch(const Stream& stream, GemmTile tile, std::int64_t most_rows,
                const LogitsParams& params) const;

 private:
  std::array<Kernel, kGemmTiles> kernels_;
  std::array<GemmTileShape, kGemmTiles> shapes_{};
};

}  // namespace fusebert::cuda
