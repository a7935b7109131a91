// Which tokens a head is for.
#include "model/head.h"

#include <algorithm>

namespace fusebert {

int64_t count_head_rows(const Head& head, const PackedBatch& batch, int32_t token) {
  if (head.rows == HeadRows::kFirst) return batch.batch_size();
  if (token == kEveryToken) return batch.total_tokens();
  return std::count(batch.input_ids.begin(), batch.input_ids.end(), token);
}

int64_t count_head_rows_of(const Head& head, const PackedBatch& batch, int64_t sequence,
                           int32_t token) {
  const auto boundaries = batch.cu_seqlens.subspan(static_cast<size_t>(sequence), 2);
  const auto first = static_cast<size_t>(boundaries[0]);
  const auto tokens = static_cast<size_t>(boundaries[1] - boundaries[0]);
  const PackedBatch alone{batch.input_ids.subspan(first, tokens),
                          batch.token_type_ids.subspan(first, tokens), boundaries};
  return count_head_rows(head, alone, token);
}

void list_head_rows(const Head& head, const PackedBatch& batch, int32_t token,
                    std::vector<int32_t>& rows) {
  if (head.rows == HeadRows::kFirst) {
    rows.assign(batch.cu_seqlens.begin(), batch.cu_seqlens.end() - 1);
    return;
  }
  rows.clear();
  const auto tokens = static_cast<int32_t>(batch.total_tokens());
  for (int32_t row = 0; row < tokens; ++row) {
    if (token == kEveryToken || batch.input_ids[static_cast<size_t>(row)] == token) {
      rows.push_back(row);
    }
  }
}

}  // namespace fusebert
