#include "isa/registry.h"

#include <unordered_map>

namespace virtual_gpu::isa {
namespace {

using Table = std::span<const Entry> (*)();

constexpr Table kTables[] = {
    approximate_instructions, arithmetic_instructions, async_copy_instructions,
    atomic_instructions,      barrier_instructions,    bit_instructions,
    compare_instructions,     control_instructions,    convert_instructions,
    extended_instructions,    field_instructions,      float_instructions,
    integer_instructions,     ldmatrix_instructions,   mbarrier_instructions,
    memory_instructions,      mma_instructions,        move_instructions,
    warp_instructions,        wmma_instructions,
};

const std::unordered_map<std::string_view, Decode>& decoders() {
  static const auto* made = [] {
    auto* map = new std::unordered_map<std::string_view, Decode>;
    for (const Table table : kTables) {
      for (const Entry& entry : table()) map->emplace(entry.opcode, entry.decode);
    }
    return map;
  }();
  return *made;
}

}  // namespace

Decode decode_of(const Builder& builder, const std::string& opcode) {
  const auto found = decoders().find(opcode);
  if (found == decoders().end()) builder.fail('"' + opcode + "\" is no known instruction");
  return found->second;
}

}  // namespace virtual_gpu::isa
