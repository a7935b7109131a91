// The initial values of a module's variables.
#include <algorithm>
#include <bit>
#include <cstring>

#include "program/loader.h"
#include "ptx/lexer.h"

namespace virtual_gpu {
namespace {

std::uint64_t bits_of(const ptx::Variable& variable, const ptx::Operand& value,
                      const VariableAddresses& addresses) {
  switch (value.kind) {
    case ptx::OperandKind::kInteger:
      return static_cast<std::uint64_t>(value.integer);
    case ptx::OperandKind::kFloat:
      if (ptx::bytes_of(variable.type) == 8) return std::bit_cast<std::uint64_t>(value.real);
      return std::bit_cast<std::uint32_t>(static_cast<float>(value.real));
    default:
      break;
  }
  const auto found = addresses.find(value.name);
  if (found == addresses.end()) {
    throw ptx::ParseError(variable.line, "Expected a variable but received " + value.name);
  }
  return found->second + static_cast<std::uint64_t>(value.integer);
}

}  // namespace

void fill_variable(const ptx::Variable& variable, const VariableAddresses& addresses,
                   Allocation& allocation) {
  std::memset(allocation.data, 0, allocation.bytes);
  std::memset(allocation.defined, 0xFF, allocation.bytes);
  const std::uint32_t size = ptx::bytes_of(variable.type);
  std::uint64_t at = 0;
  for (const ptx::Operand& value : variable.initial) {
    if (at + size > allocation.bytes) {
      throw ptx::ParseError(variable.line, "Expected fewer values for " + variable.name);
    }
    const std::uint64_t bits = bits_of(variable, value, addresses);
    // Elements of 128 bits have zeros above the 64 that a constant can give.
    std::memcpy(allocation.data + at, &bits, std::min<std::size_t>(size, sizeof bits));
    at += size;
  }
}

}  // namespace virtual_gpu
