// The operations of an encoder, as one table of functions per instruction set. A kernel computes a
// range of an operation on the calling thread; who computes which range is the backend's business.
//
// What every table promises: a row's result depends, to the bit, only on that row's inputs (for
// attention: on that sequence's), never on the other rows, the ranges or the number of threads.
//
// Rows of activations are `stride` floats apart. Where a function writes "padded" columns, a row
// has at least padded_columns() floats and the columns past the real ones become zero or stay
// finite; nobody reads them as values.
#pragma once

#include <cstdint>

namespace fusebert::cpu {

// What happens to an element of a matrix product after its bias was added.
enum class Epilogue {
  kNone,
  kGelu,      // x/2 · (1 + erf(x/√2))
  kGeluTanh,  // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
  kQuickGelu,  // x · σ(1.702·x)
  kRelu,
  kSilu,  // x · σ(x)
  kTanh,
  kResidual,  // + residual[row, column]
};

inline constexpr float kQuickGeluFactor = 1.702f;

// C[m, n] = epilogue(A[m, k] · W[n, k]ᵀ + bias[n]).
struct GemmArguments {
  const float* a;         // [m, k], rows a_stride apart
  const float* panels;    // [ceil(n / gemm_panel_width)][k][gemm_panel_width], from pack_panel
  const float* bias;      // [n, padded to whole panels with zeros]
  const float* residual;  // [m, padded n], rows residual_stride apart; only for kResidual. Not c.
  float* c;               // [m, padded n], rows c_stride apart
  int64_t k;
  int64_t a_stride;
  int64_t residual_stride;
  int64_t c_stride;
  Epilogue epilogue;
};

// Rows [row_begin, row_end), at least one, by panels [panel_begin, panel_end) of a product.
struct GemmRange {
  int64_t row_begin;
  int64_t row_end;
  int64_t panel_begin;
  int64_t panel_end;
};

struct LayerNormArguments {
  const float* in;     // [rows, columns], rows in_stride apart
  float* out;          // [rows, columns], rows out_stride apart; may be `in`
  const float* gamma;  // [columns]
  const float* beta;   // [columns]
  int64_t columns;
  int64_t in_stride;
  int64_t out_stride;
  float eps;
};

struct EmbeddingArguments {
  const int32_t* input_ids;       // [rows]
  const int32_t* token_type_ids;  // [rows]
  const int32_t* positions;       // [rows]
  const float* words;             // [vocab_size, columns]
  const float* types;             // [type_vocab_size, columns]; null: there are none
  const float* position_table;    // [max_position_embeddings, columns]
  LayerNormArguments norm;        // in is not used; out[row] receives the result
};

// One sequence. Head h's queries, keys and values are the columns h·head_dim … of the first,
// second and third hidden_size columns of qkv.
struct AttentionArguments {
  const float* qkv;  // [sequence_length, 3 · hidden_size], rows qkv_stride apart
  float* context;    // [sequence_length, hidden_size], rows context_stride apart
  int64_t sequence_length;
  int64_t hidden_size;
  int64_t head_dim;
  int64_t qkv_stride;
  int64_t context_stride;
};

enum class Reduction {
  kSum,
  kWeightedSum,  // row i has the weight first_weight + i
  kMax,
};

// Rows that become one.
struct ReduceArguments {
  const float* rows;  // [row_count, columns], `stride` apart
  int64_t row_count;
  int64_t columns;
  int64_t stride;
  Reduction reduction;
  int64_t first_weight;
  float divisor;  // of sums
};

struct Kernels {
  const char* isa;  // "scalar", "avx2", "avx512", "neon"

  int64_t gemm_tile_rows;    // rows of A in a full register tile: ranges are best multiples of it
  int64_t gemm_panel_width;  // columns of C in a panel
  int64_t gemm_block_rows;   // rows of A to give to one gemm() call, so that A stays in the L2

  // Writes rows[width, k] (dense) as a panel [k][gemm_panel_width], with zeros for the columns
  // from `width` on; 1 ≤ width ≤ gemm_panel_width.
  void (*pack_panel)(const float* rows, int64_t width, int64_t k, float* panel);
  void (*gemm)(const GemmArguments& arguments, const GemmRange& range);

  // out = (in - mean) / √(variance + eps) · gamma + beta, for rows [row_begin, row_end).
  void (*layer_norm)(const LayerNormArguments& arguments, int64_t row_begin, int64_t row_end);
  // out = layer_norm(words[id] + types[type] + position_table[position]).
  void (*embed)(const EmbeddingArguments& arguments, int64_t row_begin, int64_t row_end);

  // Floats of scratch that attention() needs for a sequence of this length, 64-byte aligned.
  int64_t (*attention_scratch_floats)(int64_t sequence_length, int64_t head_dim);
  // context = softmax(Q·Kᵀ/√head_dim)·V for one head and query rows [row_begin, row_end), at least
  // one.
  void (*attention)(const AttentionArguments& arguments, int64_t head, int64_t row_begin,
                    int64_t row_end, float* scratch);

  // out[columns] = the rows' sum, perhaps weighted, over the divisor; or their maximum.
  void (*reduce_rows)(const ReduceArguments& arguments, float* out);
  // row[columns] /= max(‖row‖₂, 1e-12).
  void (*l2_normalize)(float* row, int64_t columns);
};

// torch.nn.functional.normalize's eps.
inline constexpr float kNormalizeEps = 1e-12f;

}  // namespace fusebert::cpu
