// What the attention kernels are given, and how a batch is cut into blocks; the same for the host
// and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

// Sequences are sorted into classes by their own length alone: class c < kShortClasses holds those
// of at most 16 · 2^c tokens, as far as a block of the kernel for short ones has so many rows; the
// last class all others.
inline constexpr int kShortClasses = 4;
inline constexpr int kLongClass = kShortClasses;
inline constexpr int kAttentionClasses = kShortClasses + 1;

// Query rows of a block, by head_dim: of the kernel for short sequences, and of that for long ones.
constexpr int attention_short_rows(int head_dim) { return head_dim <= 64 ? 128 : 64; }
inline constexpr int kAttentionLongRows = 64;

// Keys of a step through a long sequence.
constexpr int attention_step_keys(int head_dim) { return head_dim <= 64 ? 64 : 32; }

// Queries of one sequence that a group of warps takes: all of it, or kAttentionLongRows of it.
struct AttentionItem {
  std::int32_t first_token = 0;  // of the sequence, in the batch
  std::int32_t length = 0;       // of the sequence
  std::int32_t first_query = 0;  // in the sequence
};

// In device memory, so that one graph serves all batches of about a size. A block past the last of
// its kernel's has nothing to do.
struct AttentionPlan {
  std::int32_t item_begin[kAttentionClasses + 1] = {};  // of each class, in `items`
  std::int32_t block_begin[kShortClasses + 1] = {};     // of each short class
};

// context = softmax(scale · query · keyᵀ) · value, for each sequence and head by itself.
struct AttentionParams {
  const AttentionPlan* plan = nullptr;
  const AttentionItem* items = nullptr;  // sorted by class
  // [tokens, 3 · heads · head_dim]: queries of all heads, then keys, then values; 16-bit numbers.
  const void* query_key_value = nullptr;
  void* context = nullptr;  // [tokens, heads · head_dim]
  std::int32_t heads = 0;
  float scale = 0.0f;  // 1/√head_dim, of the model's own head_dim without padding
};

}  // namespace fusebert::cuda
