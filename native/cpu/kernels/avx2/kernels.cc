// The table of AVX2 kernels.
#include "cpu/kernels/avx2/kernels.h"

#include "cpu/kernels/avx2/operations.h"
#include "cpu/kernels/avx2/vec.h"

namespace fusebert::cpu::avx2 {
namespace {

// Rows of A in a block: 11 tiles, at 768 columns 200 KiB. Of an L2 of 512 KiB, which another
// thread may share, two panels and what is being written need some too.
constexpr int64_t kBlockRows = 66;

}  // namespace

const Kernels kKernels = {
    .isa = "avx2",
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

}  // namespace fusebert::cpu::avx2
