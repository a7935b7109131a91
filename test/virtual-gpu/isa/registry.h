// Which instructions there are. One file of this folder per kind of instruction; each offers its
// decoders in a table, and registry.cc lists the tables. A new kind is a new file and a line there.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "program/builder.h"

namespace virtual_gpu::isa {

/// Reads the instruction's modifiers and operands and sets Op::execute.
using Decode = void (*)(Builder& builder);

struct Entry {
  std::string_view opcode;
  Decode decode;
};

std::span<const Entry> approximate_instructions();
std::span<const Entry> arithmetic_instructions();
std::span<const Entry> async_copy_instructions();
std::span<const Entry> atomic_instructions();
std::span<const Entry> barrier_instructions();
std::span<const Entry> bit_instructions();
std::span<const Entry> control_instructions();
std::span<const Entry> convert_instructions();
std::span<const Entry> compare_instructions();
std::span<const Entry> extended_instructions();
std::span<const Entry> field_instructions();
std::span<const Entry> float_instructions();
std::span<const Entry> integer_instructions();
std::span<const Entry> ldmatrix_instructions();
std::span<const Entry> mbarrier_instructions();
std::span<const Entry> memory_instructions();
std::span<const Entry> mma_instructions();
std::span<const Entry> move_instructions();
std::span<const Entry> warp_instructions();
std::span<const Entry> wmma_instructions();

/// The decoder of the opcode; fails through `builder` where there is none.
Decode decode_of(const Builder& builder, const std::string& opcode);

}  // namespace virtual_gpu::isa
