// The table of NEON kernels.
#include "cpu/kernels/neon/kernels.h"

#include "cpu/kernels/neon/operations.h"
#include "cpu/kernels/neon/vec.h"

namespace fusebert::cpu::neon {
namespace {

// Rows of A in a block: 16 tiles, at 768 columns 384 KiB, which leaves an L2 of 512 KiB to
// 2 MiB room for two panels and for what is being written.
constexpr int64_t kBlockRows = 128;

}  // namespace

const Kernels kKernels = {
    .isa = "neon",
    .gemm_tile_rows = Vec::kTileRows,
    .gemm_panel_width = Vec::kTileVectors * Vec::kWidth,
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

}  // namespace fusebert::cpu::neon
