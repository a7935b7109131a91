// Prints how much dynamic shared memory the host asks for, for each kernel that has any and each
// architecture given as an argument: "gemm_large sm_80 49152". scripts/kernel-table.mjs builds it
// of the host's own code, with the driver's place taken by functions that note what is asked for.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cuda/encoder/kernel_set.h"
#include "cuda/kernels/common/rows.h"

namespace fusebert::cuda {
namespace {

int architecture = 0;

void print(const std::string& kernel, unsigned shared_bytes) {
  std::printf("%s sm_%d %u\n", kernel.c_str(), architecture, shared_bytes);
}

bool print_all() {
  const Module none;
  if (!GemmKernels::load(none, architecture).ok()) return false;
  if (!LogitsKernels::load(none, architecture).ok()) return false;
  for (int head_dim = 1; padded_head_dim(head_dim) != 0; ++head_dim) {
    if (padded_head_dim(head_dim) != head_dim) continue;
    if (!AttentionKernels::load(none, head_dim).ok()) return false;
  }
#define FUSEBERT_PRINT_POOL(columns, chunks) \
  print(row_kernel("pool", columns), KernelSet::pool_shape(1, columns).shared_bytes);
  FUSEBERT_FOR_ROWS(FUSEBERT_PRINT_POOL)
  return true;
}

}  // namespace

// In place of driver/kernel.cc.
Result<Kernel> Kernel::find(const Module&, const std::string& name, unsigned shared_bytes) {
  print(name, shared_bytes);
  return Kernel();
}
Status Kernel::launch_with(const Stream&, const LaunchShape&, const void*) const {
  return Status();
}

}  // namespace fusebert::cuda

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    fusebert::cuda::architecture = std::atoi(arguments[i]);
    if (!fusebert::cuda::print_all()) return 1;
  }
  return 0;
}
