// Positions of tokens: BERT's indices, and RoBERTa's, which count past the padding.
#include "model/positions.h"

#include <gtest/gtest.h>

#include <vector>

namespace fusebert {
namespace {

std::vector<int32_t> positions(int64_t padding_idx, const std::vector<int32_t>& ids,
                               const std::vector<int32_t>& cu_seqlens) {
  Geometry geometry;
  geometry.padding_idx = padding_idx;
  const std::vector<int32_t> types(ids.size(), 0);
  std::vector<int32_t> found(ids.size(), -7);
  fill_positions(geometry, {ids, types, cu_seqlens}, found.data());
  return found;
}

TEST(Positions, OfBertAreIndices) {
  EXPECT_EQ(positions(kNoPaddingIdx, {5, 1, 0, 9, 1}, {0, 3, 5}),
            (std::vector<int32_t>{0, 1, 2, 0, 1}));
}

// transformers' create_position_ids_from_input_ids of [[0, 9, 1, 7, 2], [0, 2]] with padding_idx 1.
TEST(Positions, OfRobertaCountTokensThatAreNotPadding) {
  EXPECT_EQ(positions(1, {0, 9, 1, 7, 2, 0, 2}, {0, 5, 7}),
            (std::vector<int32_t>{2, 3, 1, 4, 5, 2, 3}));
  EXPECT_EQ(positions(0, {0, 0, 3}, {0, 3}), (std::vector<int32_t>{0, 0, 1}));
}

TEST(Positions, LeaveRoomForAToken) {
  Geometry g{100, 64, 2, 2, 128, 32, 2, 30, 1e-12f, Activation::kGelu, false, {}};
  EXPECT_TRUE(validate(g).ok());
  EXPECT_EQ(g.max_sequence_length(), 1);
  for (const int64_t wrong : {int64_t{31}, int64_t{-2}}) {
    g.padding_idx = wrong;
    EXPECT_EQ(validate(g).code(), StatusCode::kConfig);
  }
}

}  // namespace
}  // namespace fusebert
