// Run-time detection: CPUID says what the processor has, XGETBV whether the system saves its
// registers; the compiler's __builtin_cpu_supports asks both.
#include "cpu/dispatch.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "cpu/kernels/scalar/kernels.h"
#if FUSEBERT_X86_64
#include "cpu/kernels/avx2/kernels.h"
#include "cpu/kernels/avx512/kernels.h"
#endif
#if FUSEBERT_AARCH64
#include "cpu/kernels/neon/kernels.h"
#endif

namespace fusebert::cpu {
namespace {

std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> tables;
#if FUSEBERT_X86_64
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&avx512::kKernels);
  }
  if (has_avx2) tables.push_back(&avx2::kKernels);
#endif
#if FUSEBERT_AARCH64
  tables.push_back(&neon::kKernels);
#endif
  tables.push_back(&scalar::kKernels);
  return tables;
}

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  // Leaked: threads may still look at it while the process exits.
  static const auto* const tables = new std::vector<const Kernels*>(detect());
  return *tables;
}

Result<const Kernels*> select_kernels(const char* forced) {
  const auto& tables = available_kernels();
  const std::string wish = forced == nullptr ? "" : forced;
  if (wish.empty()) return tables.front();
  std::string names;
  for (const Kernels* table : tables) {
    if (wish == table->isa) return table;
    if (!names.empty()) names += ", ";
    names += table->isa;
  }
  return Status(StatusCode::kDeviceUnavailable,
                std::string("Expected one of ") + names + " for " + kIsaVariable +
                    " on this processor but received " + wish.substr(0, 64) +
                    ". Unset it to use the best one.");
}

Result<const Kernels*> select_kernels() { return select_kernels(std::getenv(kIsaVariable)); }

}  // namespace fusebert::cpu
