#include "driver/module.h"

#include <cstring>

#include "driver/state.h"
#include "driver/versions.h"
#include "ptx/lexer.h"
#include "ptx/parser.h"

namespace virtual_gpu {
namespace {

constexpr unsigned char kElf[] = {0x7F, 'E', 'L', 'F'};
constexpr std::uint32_t kFatBinary = 0xBA55ED50;
constexpr std::uint32_t kFatBinaryWrapper = 0x466243B1;
constexpr int kUsualRegisters = 64;  // of a kernel that does not say

bool is_binary(const void* image) {
  std::uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  return std::memcmp(image, kElf, sizeof kElf) == 0 || magic == kFatBinary ||
         magic == kFatBinaryWrapper;
}

void place_variables(Context& context, Module& module) {
  Memory& memory = *context.device.memory;
  for (const ptx::Variable& variable : module.text.variables) {
    const bool constant = variable.space == ptx::Space::kConst;
    if (!constant && variable.space != ptx::Space::kGlobal) continue;
    if (variable.bytes() == 0) continue;
    Allocation* allocation =
        memory.allocate(variable.bytes(), constant ? MemoryKind::kConstant : MemoryKind::kVariable,
                        "the variable " + variable.name);
    if (allocation == nullptr) throw std::bad_alloc();
    module.addresses[variable.name] = allocation->address;
  }
  for (const ptx::Variable& variable : module.text.variables) {
    const auto found = module.addresses.find(variable.name);
    if (found == module.addresses.end()) continue;
    fill_variable(variable, module.addresses, *memory.find(found->second));
  }
}

}  // namespace

int Kernel::registers() const {
  return program->max_registers != 0 ? static_cast<int>(program->max_registers) : kUsualRegisters;
}

LoadResult load_module(Context& context, const void* image) {
  LoadResult result;
  if (is_binary(image)) {
    result.status = CUDA_ERROR_NO_BINARY_FOR_GPU;
    result.log = "a cubin cannot run on a virtual GPU; give it PTX";
    return result;
  }
  auto module = std::make_unique<Module>();
  module->context = &context;
  try {
    module->image = static_cast<const char*>(image);
    module->text = ptx::parse(module->image);
    const PtxVersion version{module->text.version_major, module->text.version_minor};
    if (version > newest_ptx(driver_version())) {
      result.status = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
      result.log = "PTX " + std::to_string(version.major) + '.' + std::to_string(version.minor) +
                   " is too new for the driver";
      return result;
    }
    const int architecture = context.device.profile->architecture();
    if (static_cast<int>(module->text.target) > architecture) {
      result.status = CUDA_ERROR_INVALID_PTX;
      result.log = "the module is for " + module->text.target_name + ", the device is sm_" +
                   std::to_string(architecture);
      return result;
    }
    place_variables(context, *module);
    for (const ptx::Function& function : module->text.functions) {
      if (!function.entry || function.declared_only) continue;
      auto kernel = std::make_unique<Kernel>();
      kernel->module = module.get();
      kernel->program = load_program(module->text, function, module->addresses);
      kernel->max_dynamic_shared =
          kSharedPerBlock - static_cast<int>(kernel->program->shared_bytes);
      module->kernels[function.name] = std::move(kernel);
    }
  } catch (const ptx::ParseError& error) {
    unload_module(*module);
    result.status = CUDA_ERROR_INVALID_PTX;
    result.log = error.what();
    return result;
  } catch (const std::bad_alloc&) {
    unload_module(*module);
    result.status = CUDA_ERROR_OUT_OF_MEMORY;
    return result;
  }
  result.module = std::move(module);
  return result;
}

void unload_module(Module& module) {
  Memory& memory = *module.context->device.memory;
  for (const auto& [name, address] : module.addresses) {
    const Allocation* allocation = memory.find(address);
    if (allocation != nullptr) memory.free(address, allocation->kind);
  }
  module.addresses.clear();
}

}  // namespace virtual_gpu
