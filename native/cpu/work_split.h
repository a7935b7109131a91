// How operations are cut into one static share a thread. Nothing here changes a result; it decides
// only who computes what.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace fusebert::cpu {

// A grid of row_parts × panel_parts shares over the tiles of a matrix product.
struct GemmSplit {
  int64_t row_parts = 1;
  int64_t panel_parts = 1;
};

// The grid of at most `threads` shares whose largest share is smallest; with few rows that cuts
// panels, so that short inputs use every thread.
inline GemmSplit split_gemm(int64_t row_tiles, int64_t panels, int64_t threads) {
  GemmSplit best;
  int64_t least = row_tiles * panels;
  for (int64_t row_parts = 1; row_parts <= threads && row_parts <= row_tiles; ++row_parts) {
    const int64_t wanted = threads / row_parts;
    const int64_t panel_parts = wanted < panels ? wanted : panels;
    const int64_t largest = ((row_tiles + row_parts - 1) / row_parts) *
                            ((panels + panel_parts - 1) / panel_parts);
    if (largest >= least) continue;
    least = largest;
    best = {row_parts, panel_parts};
  }
  return best;
}

// The share of `part` in a grid over `rows` rows in tiles and `panels` panels.
inline GemmRange gemm_share(const GemmSplit& split, int64_t part, int64_t rows, int64_t tile_rows,
                            int64_t panels) {
  const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  const int64_t row_part = part / split.panel_parts;
  const int64_t panel_part = part % split.panel_parts;
  const int64_t row_end = tiles * (row_part + 1) / split.row_parts * tile_rows;
  return {tiles * row_part / split.row_parts * tile_rows, row_end < rows ? row_end : rows,
          panels * panel_part / split.panel_parts,
          panels * (panel_part + 1) / split.panel_parts};
}

// Calls f(range) for consecutive blocks of at most block_rows rows, about equally high, cut at
// multiples of tile_rows.
template <class Function>
void for_each_row_block(const GemmRange& share, int64_t tile_rows, int64_t block_rows,
                        const Function& f) {
  const int64_t rows = share.row_end - share.row_begin;
  const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  const int64_t block_tiles = block_rows / tile_rows;
  const int64_t blocks = (tiles + block_tiles - 1) / block_tiles;
  for (int64_t block = 0; block < blocks; ++block) {
    GemmRange range = share;
    range.row_begin = share.row_begin + tiles * block / blocks * tile_rows;
    const int64_t end = share.row_begin + tiles * (block + 1) / blocks * tile_rows;
    range.row_end = end < share.row_end ? end : share.row_end;
    f(range);
  }
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

}  // namespace fusebert::cpu
