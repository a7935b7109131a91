// A parsed module to programs: places variables, gathers the functions a kernel calls, decodes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "machine/memory.h"
#include "program/op.h"
#include "ptx/ast.h"

namespace virtual_gpu {

/// Where the module's .global and .const variables lie in device memory.
using VariableAddresses = std::unordered_map<std::string, std::uint64_t>;

/// The kernel `entry` and everything it calls, ready to run. Throws ptx::ParseError with the line
/// of an unknown instruction, modifier, name or type.
std::unique_ptr<Program> load_program(const ptx::Module& module, const ptx::Function& entry,
                                      const VariableAddresses& addresses);

/// Writes the variable's initial value, or zeros, to its allocation and marks it defined. Names in
/// it are resolved through `addresses`. Throws ptx::ParseError where one is unknown.
void fill_variable(const ptx::Variable& variable, const VariableAddresses& addresses,
                   Allocation& allocation);

}  // namespace virtual_gpu
