// Modules, libraries, functions (CUDA driver API, sections "Module Management", "Library
// Management", "Execution Control").
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "driver/export.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

void write_log(const std::string& log, unsigned count, CUjit_option* options, void** values) {
  if (options == nullptr || values == nullptr) return;
  char* buffer = nullptr;
  std::size_t size = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      size = static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(values[i]));
    }
  }
  if (buffer == nullptr || size == 0) return;
  std::strncpy(buffer, log.c_str(), size - 1);
  buffer[size - 1] = '\0';
}

CUresult load(Module** handle, const void* image, unsigned count, CUjit_option* options,
              void** values) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr || image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  LoadResult result = load_module(*now.context, image);
  write_log(result.log, count, options, values);
  if (result.status != CUDA_SUCCESS) {
    if (!result.log.empty()) std::fprintf(stderr, "virtual GPU: %s\n", result.log.c_str());
    return result.status;
  }
  const std::lock_guard lock(now.context->mutex);
  *handle = now.context->modules.add(std::move(result.module));
  return CUDA_SUCCESS;
}

Module* module_of(const void* handle) { return find_handle(&Context::modules, handle); }

CUresult unload(const void* handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  Module* const module = module_of(handle);
  if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Context& owner = *module->context;
  owner.synchronize();
  unload_module(*module);
  const std::lock_guard lock(owner.mutex);
  return owner.modules.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult kernel_by_name(Kernel** result, const void* handle, const char* name) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (result == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Module* const module = module_of(handle);
  if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const auto found = module->kernels.find(name);
  if (found == module->kernels.end()) return CUDA_ERROR_NOT_FOUND;
  *result = found->second.get();
  return CUDA_SUCCESS;
}

CUresult find_variable(CUdeviceptr* address, std::size_t* bytes, const void* handle,
                       const char* name) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Module* const module = module_of(handle);
  if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const auto found = module->addresses.find(name);
  if (found == module->addresses.end()) return CUDA_ERROR_NOT_FOUND;
  if (address != nullptr) *address = found->second;
  if (bytes != nullptr) *bytes = module->context->device.memory->find(found->second)->bytes;
  return CUDA_SUCCESS;
}

CUresult attribute_of(int* value, CUfunction_attribute attribute, const Kernel* kernel) {
  if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (kernel == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const Program& program = *kernel->program;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = program.max_threads_per_block != 0
                   ? static_cast<int>(program.max_threads_per_block)
                   : std::min(kMaxThreadsPerBlock,
                              kRegistersPerMultiprocessor / kernel->registers());
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(program.shared_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      *value = 0;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = static_cast<int>(program.local_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = kernel->registers();
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = static_cast<int>(kernel->module->text.target);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = kernel->module->context->device.profile->architecture();
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = kernel->max_dynamic_shared;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = kernel->carveout;
      return CUDA_SUCCESS;
    default:
      *value = 0;
      return CUDA_SUCCESS;
  }
}

CUresult set_attribute(Kernel* kernel, CUfunction_attribute attribute, int value) {
  if (kernel == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const Profile& profile = *kernel->module->context->device.profile;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
      const int most =
          profile.shared_per_block_optin - static_cast<int>(kernel->program->shared_bytes);
      if (value < 0 || value > most) return CUDA_ERROR_INVALID_VALUE;
      kernel->max_dynamic_shared = value;
      return CUDA_SUCCESS;
    }
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      if (value < -1 || value > 100) return CUDA_ERROR_INVALID_VALUE;
      kernel->carveout = value;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

VIRTUAL_GPU_API cuModuleLoadData(CUmodule* module, const void* image) try {
  return load(reinterpret_cast<Module**>(module), image, 0, nullptr, nullptr);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned int count,
                                   CUjit_option* options, void** values) try {
  return load(reinterpret_cast<Module**>(module), image, count, options, values);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleLoad(CUmodule* module, const char* path) try {
  if (path == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::ifstream file(path, std::ios::binary);
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  if (image.size() < sizeof(std::uint32_t)) return CUDA_ERROR_INVALID_IMAGE;
  return cuModuleLoadData(module, image.c_str());
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleUnload(CUmodule module) try {
  return unload(module);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) try {
  return kernel_by_name(reinterpret_cast<Kernel**>(function), module, name);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleGetGlobal(CUdeviceptr* address, std::size_t* bytes, CUmodule module,
                                  const char* name) try {
  return find_variable(address, bytes, module, name);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) try {
  if (!Driver::instance().initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *mode = CU_MODULE_EAGER_LOADING;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* options,
                                  void** values, unsigned int count, CUlibraryOption*, void**,
                                  unsigned int) try {
  return load(reinterpret_cast<Module**>(library), code, count, options, values);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuLibraryUnload(CUlibrary library) try {
  return unload(library);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) try {
  return kernel_by_name(reinterpret_cast<Kernel**>(kernel), library, name);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuLibraryGetModule(CUmodule* module, CUlibrary library) try {
  if (module == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (module_of(library) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  *module = reinterpret_cast<CUmodule>(library);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuLibraryGetGlobal(CUdeviceptr* address, std::size_t* bytes, CUlibrary library,
                                   const char* name) try {
  return find_variable(address, bytes, library, name);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuKernelGetFunction(CUfunction* function, CUkernel kernel) try {
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (find_kernel(kernel) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  *function = reinterpret_cast<CUfunction>(kernel);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuFuncGetAttribute(int* value, CUfunction_attribute attribute,
                                   CUfunction function) try {
  return attribute_of(value, attribute, find_kernel(function));
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                                   int value) try {
  return set_attribute(find_kernel(function), attribute, value);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel,
                                     CUdevice) try {
  return attribute_of(value, attribute, find_kernel(kernel));
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel,
                                     CUdevice) try {
  return set_attribute(find_kernel(kernel), attribute, value);
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuFuncSetCacheConfig(CUfunction function, CUfunc_cache) try {
  return find_kernel(function) == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
} VIRTUAL_GPU_END
VIRTUAL_GPU_API cuFuncGetModule(CUmodule* module, CUfunction function) try {
  if (module == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Kernel* const kernel = find_kernel(function);
  if (kernel == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  *module = reinterpret_cast<CUmodule>(kernel->module);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END
