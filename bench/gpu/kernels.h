// fusebert's CUDA kernels behind a C interface, to be timed beside others in one process. Python's
// ctypes is the caller (bench.py); memory and launches are fusebert's own.
//
// Functions that return a double return seconds of one run: the wall time of `repeats` runs that
// are queued back to back, over their number; negative when something failed. Runs rotate among
// sets of inputs that are larger together than the device's L2 cache. Inputs are seeded random
// numbers. With `repeats` 0 the kernel is launched once, not even warmed up, to be counted and not
// timed.
#pragma once

#include <cstdint>

#define FUSEBERT_BENCH_API extern "C" __attribute__((visibility("default")))

// Why the last call failed; empty when it did not.
FUSEBERT_BENCH_API const char* fusebert_bench_error();

// Opens a device, with images from a folder (build/cuda of a build) of `type`, fp16 or bf16: cubins
// where they are there and the driver takes them, PTX elsewhere. Returns 0, or 1 when it failed.
FUSEBERT_BENCH_API int fusebert_bench_open(int ordinal, const char* images, const char* type);

// JSON: name, architecture, multiprocessors, driver, kind of image.
FUSEBERT_BENCH_API const char* fusebert_bench_device();

// out [rows, columns] = activation(in [rows, depth] · weightᵀ + bias) + residual. `activation`:
// none, gelu or tanh. `tile`: large, medium, small, or empty for what the policy chooses.
FUSEBERT_BENCH_API double fusebert_bench_gemm(std::int64_t rows, std::int64_t columns,
                                              std::int64_t depth, const char* activation,
                                              int with_residual, const char* tile, int repeats);

// Attention of packed sequences of these lengths: [tokens, 3 · heads · head_dim] in, [tokens,
// heads · head_dim] out.
FUSEBERT_BENCH_API double fusebert_bench_attention(const std::int32_t* lengths,
                                                   std::int64_t sequences, int heads,
                                                   int head_dim, int repeats);

// LayerNorm of rows that include the residual already.
FUSEBERT_BENCH_API double fusebert_bench_layer_norm(std::int64_t rows, std::int64_t columns,
                                                    int repeats);
