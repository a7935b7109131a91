#include "program/builder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "isa/registry.h"

namespace virtual_gpu {

const Symbol* Scopes::find(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return &found->second;
  }
  return nullptr;
}

Operand ConstantPool::add(std::uint64_t low, std::uint64_t high, std::uint8_t bytes) {
  const auto offset = static_cast<std::uint32_t>(bytes_.size());
  const auto [found, added] = offsets_.try_emplace({low, high, bytes}, offset);
  if (added) {
    const std::uint64_t value[2] = {low, high};
    bytes_.resize(bytes_.size() + std::size_t{bytes} * kLanes);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(bytes_.data() + offset + lane * bytes, value, bytes);
    }
  }
  return {.offset = found->second, .slot = 0, .base = kConstants, .bytes = bytes};
}

Operand ConstantPool::add_predicate(bool value) {
  Operand operand = add(value ? ~std::uint64_t{0} : 0, 0, sizeof(LaneMask));
  operand.bytes = 0;
  return operand;
}

Operand Builder::add_register(const std::string& name, std::uint8_t bytes) {
  Operand operand;
  operand.offset = function_.frame_bytes;
  operand.slot = ++function_.slots;
  operand.base = kRegisters;
  operand.bytes = bytes;
  // Lanes of 64 bytes and more are aligned for the host's vectors; predicates go among them.
  const std::uint32_t size = bytes == 0 ? 64 : std::max(64u, bytes * kLanes);
  function_.frame_bytes += size;
  function_.slot_names.resize(function_.slots + 1);
  function_.slot_names[operand.slot] = name;
  return operand;
}

void Builder::decode(const ptx::Instruction& instruction) {
  instruction_ = &instruction;
  modifier_ = 0;
  operands_.clear();
  Op made;
  made.line = instruction.line;
  made.source = instruction.source;
  op_ = &made;
  if (!instruction.guard.empty()) {
    const Symbol& guard = symbol(instruction.guard);
    if (guard.kind != SymbolKind::kRegister || guard.operand.bytes != 0) {
      fail("Expected a predicate as the guard but received " + instruction.guard);
    }
    made.guarded = true;
    made.guard = guard.operand;
    made.guard.negated = instruction.guard_negated;
  }
  isa::decode_of(*this, instruction.opcode)(*this);
  if (has_modifiers()) {
    fail("." + next_modifier() + " is unknown or not supported of " + instruction.opcode);
  }
  auto list = std::make_unique<Operand[]>(operands_.size());
  std::copy(operands_.begin(), operands_.end(), list.get());
  made.operands = {list.get(), operands_.size()};
  program_.operand_lists.push_back(std::move(list));
  program_.ops.push_back(made);
  op_ = nullptr;
}

const ptx::Operand& Builder::operand(std::size_t index) const {
  if (index >= instruction_->operands.size()) {
    fail("Expected more operands of " + instruction_->opcode);
  }
  return instruction_->operands[index];
}

const std::string& Builder::next_modifier() const { return instruction_->modifiers[modifier_]; }

bool Builder::accept(std::string_view word) {
  if (!has_modifiers() || next_modifier() != word) return false;
  ++modifier_;
  return true;
}

std::optional<std::size_t> Builder::accept_one(std::initializer_list<std::string_view> words) {
  std::size_t index = 0;
  for (const std::string_view word : words) {
    if (accept(word)) return index;
    ++index;
  }
  return std::nullopt;
}

std::size_t Builder::expect_one(std::initializer_list<std::string_view> words) {
  if (const auto found = accept_one(words)) return *found;
  std::string list;
  for (const std::string_view word : words) {
    list += (list.empty() ? "." : ", .") + std::string(word);
  }
  fail("Expected one of " + list + " in " + instruction_->opcode);
}

std::optional<ptx::Type> Builder::accept_type() {
  if (!has_modifiers()) return std::nullopt;
  const auto type = ptx::type_named(next_modifier());
  if (type) ++modifier_;
  return type;
}

ptx::Type Builder::expect_type() {
  if (const auto type = accept_type()) return *type;
  fail("Expected a type in " + instruction_->opcode);
}

std::optional<ptx::Space> Builder::accept_space() {
  if (!has_modifiers()) return std::nullopt;
  const auto space = ptx::space_named(next_modifier());
  if (space) ++modifier_;
  return space;
}

const Symbol& Builder::symbol(const std::string& name) const {
  const Symbol* found = scopes_.find(name);
  if (found == nullptr) fail("Expected a declared name but received " + name);
  return *found;
}

Operand Builder::register_named(const ptx::Operand& operand) const {
  if (operand.kind != ptx::OperandKind::kName) fail("Expected a register");
  if (operand.minus) fail("Expected " + operand.name + " without a sign");
  const Symbol& found = symbol(operand.name);
  if (found.kind != SymbolKind::kRegister) {
    fail("Expected a register but received " + operand.name);
  }
  Operand result = found.operand;
  result.negated = operand.negated;
  return result;
}

void Builder::destination(const ptx::Operand& operand, std::uint32_t bytes, bool wider) {
  if (operand.kind == ptx::OperandKind::kSink) {
    add({.slot = kSinkSlot, .bytes = static_cast<std::uint8_t>(bytes), .sink = true});
    return;
  }
  const Operand found = register_named(operand);
  const bool fits = wider ? found.bytes >= bytes : found.bytes == bytes;
  if (!fits) {
    fail("Expected a register of " + std::to_string(8 * bytes) + " bits but received " +
         operand.name);
  }
  add(found);
}

Operand Builder::constant(std::uint64_t value, std::uint8_t bytes) {
  const std::uint64_t mask = bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1;
  return constants_.add(value & mask, 0, bytes);
}

Operand Builder::constant_of(const ptx::Operand& operand, ptx::Type type) {
  const auto bytes = static_cast<std::uint8_t>(ptx::bytes_of(type));
  if (operand.kind == ptx::OperandKind::kFloat) {
    if (bytes == 8) return constant(std::bit_cast<std::uint64_t>(operand.real), 8);
    if (bytes == 4) {
      return constant(std::bit_cast<std::uint32_t>(static_cast<float>(operand.real)), 4);
    }
    fail("Expected an integer constant");
  }
  if (type == ptx::Type::kF32) {
    return constant(std::bit_cast<std::uint32_t>(static_cast<float>(operand.integer)), 4);
  }
  if (type == ptx::Type::kF64) {
    return constant(std::bit_cast<std::uint64_t>(static_cast<double>(operand.integer)), 8);
  }
  return constant(static_cast<std::uint64_t>(operand.integer), bytes);
}

void Builder::source(const ptx::Operand& operand, ptx::Type type, bool wider) {
  if (operand.kind == ptx::OperandKind::kInteger || operand.kind == ptx::OperandKind::kFloat) {
    add(constant_of(operand, type));
    return;
  }
  const std::uint32_t bytes = ptx::bytes_of(type);
  const Operand found = register_named(operand);
  const bool fits = wider ? found.bytes >= bytes : found.bytes == bytes;
  if (!fits || (found.bytes == 0) != (bytes == 0)) {
    fail("Expected a register of " + std::to_string(8 * bytes) + " bits but received " +
         operand.name);
  }
  add(found);
}

void Builder::predicate_destination(const ptx::Operand& operand) { destination(operand, 0); }

void Builder::predicate_source(const ptx::Operand& operand) {
  if (operand.kind == ptx::OperandKind::kInteger) {
    add(constants_.add_predicate(operand.integer != 0));
    return;
  }
  const Operand found = register_named(operand);
  if (found.bytes != 0) fail("Expected a predicate but received " + operand.name);
  add(found);
}

Address Builder::address(const ptx::Operand& operand) {
  if (operand.kind != ptx::OperandKind::kAddress) fail("Expected an address in brackets");
  Address result;
  result.offset = operand.integer;
  if (operand.parts.empty()) {
    result.base = constant(0, 8);
    return result;
  }
  const ptx::Operand& base = operand.parts[0];
  const Symbol& found = symbol(base.name);
  if (found.kind == SymbolKind::kRegister) {
    if (found.operand.bytes != 4 && found.operand.bytes != 8) {
      fail("Expected a register of 32 or 64 bits but received " + base.name);
    }
    result.base = found.operand;
    return result;
  }
  result.symbol = &found;
  if (found.kind == SymbolKind::kVariable) result.base = constant(found.value, 8);
  return result;
}

void Builder::memory_address(const ptx::Operand& operand) {
  const Address found = address(operand);
  if (found.symbol != nullptr && found.symbol->kind != SymbolKind::kVariable) {
    fail("Expected a variable in memory");
  }
  op_->immediate = found.offset;
  add(found.base);
}

std::int64_t Builder::integer(const ptx::Operand& operand) const {
  if (operand.kind != ptx::OperandKind::kInteger) fail("Expected an integer constant");
  return operand.integer;
}

std::uint32_t Builder::label(const ptx::Operand& operand) const {
  const Symbol& found = symbol(operand.name);
  if (found.kind != SymbolKind::kLabel) fail("Expected a label but received " + operand.name);
  return static_cast<std::uint32_t>(found.value);
}

std::vector<ptx::Operand> Builder::parts_of(const ptx::Operand& operand) const {
  if (operand.kind == ptx::OperandKind::kVector || operand.kind == ptx::OperandKind::kPair ||
      operand.kind == ptx::OperandKind::kTuple) {
    return operand.parts;
  }
  return {operand};
}

void Builder::note_access(ptx::Space space, std::uint32_t bytes) {
  const auto note = [&](ptx::Space one, std::uint32_t& cell_bytes) {
    if (space == one || space == ptx::Space::kGeneric) cell_bytes = std::min(cell_bytes, bytes);
  };
  note(ptx::Space::kShared, program_.shared_cell_bytes);
  note(ptx::Space::kGlobal, program_.global_cell_bytes);
}

void Builder::require_target(std::uint32_t architecture) const {
  if (target < architecture) {
    fail(instruction_->opcode + " needs sm_" + std::to_string(architecture) +
         " or later, and the module's target is sm_" + std::to_string(target));
  }
}

void Builder::fail(const std::string& what) const {
  throw ptx::ParseError(instruction_->line, what);
}

}  // namespace virtual_gpu
