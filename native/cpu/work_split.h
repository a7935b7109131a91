// How operations are cut into units of work. Nothing here changes a result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu {

// Units a thread should get: enough to even out what the system takes away from a thread, few
// enough that a unit is worth its start.
inline constexpr int64_t kUnitsPerThread = 8;

// A grid over the rows and panels of a matrix product. Unit u covers row block u / panel_groups and
// panel group u % panel_groups: consecutive units share the rows of A and go through W in order.
struct GemmGrid {
  int64_t rows = 0;
  int64_t tile_rows = 1;
  int64_t panels = 0;
  int64_t row_blocks = 1;
  int64_t panel_groups = 1;

  int64_t units() const { return row_blocks * panel_groups; }
  GemmRange unit(int64_t index) const {
    const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
    const int64_t block = index / panel_groups;
    const int64_t group = index % panel_groups;
    return {tiles * block / row_blocks * tile_rows,
            std::min(rows, tiles * (block + 1) / row_blocks * tile_rows),
            panels * group / panel_groups, panels * (group + 1) / panel_groups};
  }
};

// Row blocks as high as the kernel likes them, and about equally high; panels in groups so that
// there are units enough for all threads. More threads than panels cut the rows further.
inline GemmGrid cut_gemm(int64_t rows, int64_t panels, int64_t threads, const Kernels& kernels) {
  // A block of A is read again for every group when it does not stay in the L2.
  constexpr int64_t kMaxPanelsPerGroup = 8;
  GemmGrid grid;
  grid.rows = rows;
  grid.tile_rows = kernels.gemm_tile_rows;
  grid.panels = panels;
  const int64_t tiles = (rows + grid.tile_rows - 1) / grid.tile_rows;
  const int64_t block_tiles = kernels.gemm_block_rows / grid.tile_rows;
  grid.row_blocks = (tiles + block_tiles - 1) / block_tiles;
  const int64_t wanted = threads * kUnitsPerThread;
  grid.panel_groups = std::clamp((wanted + grid.row_blocks - 1) / grid.row_blocks,
                                 (panels + kMaxPanelsPerGroup - 1) / kMaxPanelsPerGroup, panels);
  if (grid.units() < threads) grid.row_blocks = std::min(tiles, (threads + panels - 1) / panels);
  return grid;
}

// Attention's work lies on a line: sequence after sequence, head after head, query row after query
// row, a row of a sequence of S tokens costing S. Calls f(sequence, head, row_begin, row_end) for
// what lies in part `part` of `parts` equal pieces of it, cut at multiples of tile_rows.
// cu_seqlens: [batch_size + 1].
template <class Function>
void for_each_attention(const int32_t* cu_seqlens, int64_t batch_size, int64_t heads,
                        int64_t tile_rows, int64_t part, int64_t parts, const Function& f) {
  int64_t total = 0;
  for (int64_t i = 0; i < batch_size; ++i) {
    const int64_t length = cu_seqlens[i + 1] - cu_seqlens[i];
    total += heads * length * length;
  }
  const int64_t begin = total * part / parts;
  const int64_t end = total * (part + 1) / parts;
  int64_t at = 0;  // where on the line the sequence begins
  for (int64_t i = 0; i < batch_size && at < end; ++i) {
    const int64_t length = cu_seqlens[i + 1] - cu_seqlens[i];
    const int64_t head_cost = length * length;
    // The row at which the line is cut; both neighbours compute the same.
    const auto row_at = [&](int64_t position) {
      if (position <= 0) return int64_t{0};
      return position >= head_cost ? length : position / length / tile_rows * tile_rows;
    };
    for (int64_t head = 0; head < heads && at < end; ++head, at += head_cost) {
      if (at + head_cost <= begin) continue;
      const int64_t row_begin = row_at(begin - at);
      const int64_t row_end = row_at(end - at);
      if (row_begin < row_end) f(i, head, row_begin, row_end);
    }
  }
}

// Pieces to cut attention into: as many as there are heads to go through, up to what evens out the
// threads; a cut inside a head makes two threads pack the same keys, so only as a last resort.
inline int64_t attention_parts(int64_t batch_size, int64_t heads, int64_t threads) {
  return std::clamp(batch_size * heads, threads, threads * kUnitsPerThread);
}

}  // namespace fusebert::cpu
