// Opcodes that integers and floating-point numbers share: the type, always the last modifier or the
// last but one, tells which file has the instruction.
#include <algorithm>

#include "isa/extended.h"
#include "isa/float.h"
#include "isa/integer.h"

namespace virtual_gpu::isa {
namespace {

bool has_float_type(const Builder& b) {
  const auto& modifiers = b.instruction().modifiers;
  return std::any_of(modifiers.begin(), modifiers.end(), [](const std::string& word) {
    const auto type = ptx::type_named(word);
    return type && ptx::is_float(*type);
  });
}

bool sets_carry(const Builder& b) {
  const auto& modifiers = b.instruction().modifiers;
  return std::find(modifiers.begin(), modifiers.end(), "cc") != modifiers.end();
}

template <Decode kFloat, Decode kInteger>
void by_type(Builder& b) {
  has_float_type(b) ? kFloat(b) : kInteger(b);
}

template <Decode kFloat, Decode kInteger, Decode kCarry>
void by_type_and_carry(Builder& b) {
  sets_carry(b) ? kCarry(b) : by_type<kFloat, kInteger>(b);
}

}  // namespace

std::span<const Entry> arithmetic_instructions() {
  static constexpr Entry kEntries[] = {
      {"add", by_type_and_carry<floating::decode_add, integer::decode_add,
                                extended::decode_add_cc>},
      {"sub", by_type_and_carry<floating::decode_sub, integer::decode_sub,
                                extended::decode_sub_cc>},
      {"mad", by_type_and_carry<floating::decode_mad, integer::decode_mad,
                                extended::decode_mad_cc>},
      {"mul", by_type<floating::decode_mul, integer::decode_mul>},
      {"div", by_type<floating::decode_div, integer::decode_div>},
      {"abs", by_type<floating::decode_abs, integer::decode_abs>},
      {"neg", by_type<floating::decode_neg, integer::decode_neg>},
      {"min", by_type<floating::decode_min, integer::decode_min>},
      {"max", by_type<floating::decode_max, integer::decode_max>},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
