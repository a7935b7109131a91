// The table of AVX-512 kernels.
#include "cpu/kernels/avx512/kernels.h"

#include "cpu/kernels/avx512/operations.h"
#include "cpu/kernels/avx512/vec.h"

namespace fusebert::cpu::avx512 {
namespace {

// Rows of A in a block: 11 tiles, at 768 columns 396 KiB of an L2 of 1 or 2 MiB, which has room for
// two panels and for what is being written too. Not timed with smaller ones.
constexpr int64_t kBlockRows = 132;

}  // namespace

const Kernels kKernels = {
    .isa = "avx512",
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

}  // namespace fusebert::cpu::avx512
