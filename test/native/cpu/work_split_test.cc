// Shares cover everything exactly once, whatever the sizes and the number of threads.
#include "cpu/work_split.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fusebert::cpu {
namespace {

int64_t pick(std::mt19937_64& random, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(random);
}

TEST(WorkSplit, EveryElementOfAProductHasOneOwner) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const int64_t rows = pick(random, 1, 300), panels = pick(random, 1, 40);
    Kernels kernels = {};
    kernels.gemm_tile_rows = pick(random, 1, 12);
    kernels.gemm_block_rows = kernels.gemm_tile_rows * pick(random, 1, 11);
    const GemmGrid grid = cut_gemm(rows, panels, pick(random, 1, 17), kernels);
    std::vector<int> owners(static_cast<size_t>(rows * panels), 0);
    for (int64_t unit = 0; unit < grid.units(); ++unit) {
      const GemmRange range = grid.unit(unit);
      ASSERT_LT(range.row_begin, range.row_end);
      ASSERT_LT(range.panel_begin, range.panel_end);
      ASSERT_LE(range.row_end - range.row_begin, kernels.gemm_block_rows);
      for (int64_t r = range.row_begin; r < range.row_end; ++r) {
        for (int64_t p = range.panel_begin; p < range.panel_end; ++p) {
          ++owners[static_cast<size_t>(r * panels + p)];
        }
      }
    }
    for (const int count : owners) ASSERT_EQ(count, 1);
  }
}

Kernels twelve_by_eleven() {
  Kernels kernels = {};
  kernels.gemm_tile_rows = 12;
  kernels.gemm_block_rows = 132;
  return kernels;
}

TEST(WorkSplit, AShortInputGivesEveryThreadSomething) {
  for (const int64_t threads : {1, 2, 4, 24, 64}) {
    const GemmGrid grid = cut_gemm(/*rows=*/32, /*panels=*/24, threads, twelve_by_eleven());
    EXPECT_GE(grid.units(), threads);
  }
}

TEST(WorkSplit, ALongInputGoesThroughInTallBlocks) {
  const GemmGrid grid = cut_gemm(/*rows=*/1024, /*panels=*/96, /*threads=*/2, twelve_by_eleven());
  EXPECT_EQ(grid.row_blocks, 8);
  EXPECT_EQ(grid.panel_groups, 12);
}

TEST(WorkSplit, EveryQueryRowOfEveryHeadHasOneOwner) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> cu_seqlens = {0};
    const int64_t batch = pick(random, 1, 6), heads = pick(random, 1, 5);
    for (int64_t i = 0; i < batch; ++i) {
      cu_seqlens.push_back(cu_seqlens.back() + static_cast<int32_t>(pick(random, 1, 60)));
    }
    const int64_t parts = pick(random, 1, 9), tile_rows = pick(random, 1, 12);
    std::vector<int> owners(static_cast<size_t>(cu_seqlens.back() * heads), 0);
    for (int64_t part = 0; part < parts; ++part) {
      for_each_attention(cu_seqlens.data(), batch, heads, tile_rows, part, parts,
                         [&](int64_t sequence, int64_t head, int64_t begin, int64_t end) {
                           const int64_t first = cu_seqlens[static_cast<size_t>(sequence)];
                           for (int64_t r = begin; r < end; ++r) {
                             ++owners[static_cast<size_t>((first + r) * heads + head)];
                           }
                         });
    }
    for (const int count : owners) ASSERT_EQ(count, 1);
  }
}

}  // namespace
}  // namespace fusebert::cpu
