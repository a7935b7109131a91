#include "program/op.h"

#include <array>

namespace virtual_gpu {

std::string_view name_of(OpClass op_class) {
  // In the order of the enumeration.
  static constexpr std::array<std::string_view, static_cast<std::size_t>(OpClass::kCount)> kNames{
      "integer", "half", "float", "double", "convert", "move", "predicate", "special", "control",
      "global load", "global store", "shared load", "shared store", "local", "constant", "atomic",
      "shuffle", "barrier", "fence", "tensor", "matrix load", "async copy", "async wait",
      "other"};
  return kNames[static_cast<std::size_t>(op_class)];
}

}  // namespace virtual_gpu
