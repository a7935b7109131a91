// All kernels that one model on one device runs, loaded from their images.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/status.h"
#include "cuda/driver/resources.h"
#include "cuda/driver/kernel.h"
#include "cuda/kernels/attention/attention.h"
#include "cuda/kernels/gemm/gemm.h"
#include "cuda/kernels/logits/logits.h"
#include "model/geometry.h"

namespace fusebert::cuda {

// Loads the module of a kernel's file, "gemm", for the type at hand.
using ModuleSource = std::function<Result<Module>(const std::string& file)>;

// kConfig, with the reason, when no kernel can run an encoder of this geometry.
Status check_runs(const Geometry& geometry);

// The kernel of a file for the shortest rows that hold `columns`: "pool", 300 → "pool_512".
std::string row_kernel(const std::string& name, std::int64_t columns);

struct KernelSet {
  GemmKernels gemm;
  AttentionKernels attention;
  Kernel embeddings, layer_norm, pool, copy_rows, gather_rows, convert;
  // Where the geometry has a head:
  LogitsKernels logits;
  Kernel top_k;

  // The launch of a kernel of which each block takes kBlockRows rows with a warp each.
  static LaunchShape row_shape(std::int64_t rows);
  // The launch of `pool`.
  static LaunchShape pool_shape(std::int64_t sequences, std::int64_t columns);

  // `geometry` is one that check_runs() accepts.
  static Result<KernelSet> load(const ContextPointer& context, const Geometry& geometry,
                                const ModuleSource& modules);

 private:
  std::vector<Module> modules_;  // what the kernels borrow
};

}  // namespace fusebert::cuda
