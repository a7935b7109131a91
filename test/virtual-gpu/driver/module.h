// Modules: PTX text that has been loaded, its variables in device memory, its kernels.
#pragma once

#include <cuda.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver/profile.h"
#include "machine/memory.h"
#include "program/loader.h"
#include "ptx/ast.h"

namespace virtual_gpu {

struct Context;
struct Module;

/// What a CUfunction and a CUkernel point to.
struct Kernel {
  Module* module = nullptr;
  std::unique_ptr<Program> program;
  int max_dynamic_shared = 0;     // bytes, until a function attribute raises it
  int carveout = -1;

  /// Registers of a thread: what .maxnreg says, else a guess, since no ptxas has seen the code.
  int registers() const;
};

/// What a CUmodule and a CUlibrary point to.
struct Module {
  Context* context = nullptr;
  std::string image;              // the text itself
  ptx::Module text;
  VariableAddresses addresses;
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
};

struct LoadResult {
  CUresult status = CUDA_SUCCESS;
  std::string log;                // what a JIT's error log says
  std::unique_ptr<Module> module;
};

/// Loads PTX. A cubin or fat binary is refused with CUDA_ERROR_NO_BINARY_FOR_GPU, as by a driver
/// that has none for its device, so that loaders fall to PTX.
LoadResult load_module(Context& context, const void* image);
void unload_module(Module& module);

}  // namespace virtual_gpu
