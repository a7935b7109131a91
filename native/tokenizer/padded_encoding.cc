// Copies each sequence to the beginning of its row.
#include "tokenizer/padded_encoding.h"

#include <algorithm>
#include <limits>
#include <string>

namespace fusebert {

namespace {

// 1 GiB of int64. Real batches are thousands of times smaller.
constexpr int64_t kMaxElements = int64_t{1} << 27;

Result<int64_t> row_length(const LargeVector<int32_t>& cu_seqlens, const PaddedLayout& layout) {
  int64_t longest = 0;
  int64_t shortest = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
    const int64_t length = int64_t{cu_seqlens[i + 1]} - cu_seqlens[i];
    longest = std::max(longest, length);
    shortest = std::min(shortest, length);
  }
  if (layout.padding) return std::max(longest, layout.length);
  if (longest == shortest) return longest;
  return Status(StatusCode::kInvalidArgument,
                "Expected texts of the same number of tokens but received " +
                    std::to_string(shortest) + " to " + std::to_string(longest) +
                    ". Set padding: true, or use encodeBatch(), which needs no padding.");
}

// [total_tokens, width] → [rows, columns, width].
template <typename To, typename From>
LargeVector<To> spread(const LargeVector<From>& values, const LargeVector<int32_t>& cu_seqlens,
                       int64_t columns, int64_t width, To fill) {
  const size_t rows = cu_seqlens.size() - 1;
  LargeVector<To> rectangle(rows * static_cast<size_t>(columns * width), fill);
  for (size_t row = 0; row < rows; ++row) {
    std::copy(values.begin() + cu_seqlens[row] * width,
              values.begin() + cu_seqlens[row + 1] * width,
              rectangle.begin() + static_cast<int64_t>(row) * columns * width);
  }
  return rectangle;
}

}  // namespace

Result<PaddedEncoding> pad(const BatchEncoding& encoding, const EncodeOptions& options,
                           const PaddedLayout& layout) {
  const PackedEncoding& packed = encoding.packed;
  const LargeVector<int32_t>& ends = packed.cu_seqlens;
  const Result<int64_t> columns = row_length(ends, layout);
  if (!columns.ok()) return columns.status();
  PaddedEncoding padded;
  padded.rows = static_cast<int64_t>(ends.size()) - 1;
  padded.columns = columns.value();
  if (padded.columns > 0 && padded.rows > kMaxElements / padded.columns) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected at most " + std::to_string(kMaxElements) +
                      " elements in a padded Tensor but received " + std::to_string(padded.rows) +
                      " rows of " + std::to_string(padded.columns) +
                      ". Lower max_length, or use encodeBatch().");
  }
  const auto rectangle = [&](const auto& values, int64_t fill) {
    return spread<int64_t>(values, ends, padded.columns, 1, fill);
  };
  padded.input_ids = rectangle(packed.input_ids, layout.pad_token_id);
  padded.attention_mask.assign(padded.input_ids.size(), 0);
  for (size_t row = 0; row + 1 < ends.size(); ++row) {
    const auto begin = padded.attention_mask.begin() + static_cast<int64_t>(row) * padded.columns;
    std::fill_n(begin, ends[row + 1] - ends[row], 1);
  }
  if (layout.token_type_ids && packed.token_type_ids.empty()) {
    padded.token_type_ids.assign(padded.input_ids.size(), 0);
  } else if (layout.token_type_ids) {
    padded.token_type_ids = rectangle(packed.token_type_ids, 0);
  }
  if (options.special_tokens_mask) {
    padded.special_tokens_mask = rectangle(packed.special_tokens_mask, 1);
  }
  if (options.offsets != OffsetUnit::kNone) {
    padded.offsets = spread<int32_t>(packed.offsets, ends, padded.columns, 2, 0);
  }
  padded.samples.assign(encoding.samples.begin(), encoding.samples.end());
  return padded;
}

}  // namespace fusebert
