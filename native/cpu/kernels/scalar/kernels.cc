// The table of scalar kernels.
#include "cpu/kernels/scalar/kernels.h"

#include "cpu/kernels/scalar/operations.h"

namespace fusebert::cpu::scalar {
namespace {

// Few rows to a call: between calls the backend looks whether it was cancelled.
constexpr int64_t kBlockRows = 16;

}  // namespace

const Kernels kKernels = {
    .isa = "scalar",
    .gemm_tile_rows = kTileRows,
    .gemm_panel_width = kPanelWidth,
    .gemm_block_rows = kBlockRows,
    .pack_panel = pack_panel,
    .gemm = gemm,
    .layer_norm = layer_norm,
    .embed = embed,
    .attention_scratch_floats = attention_scratch_floats,
    .attention = attention,
    .reduce_rows = reduce_rows,
    .l2_normalize = l2_normalize,
};

}  // namespace fusebert::cpu::scalar
