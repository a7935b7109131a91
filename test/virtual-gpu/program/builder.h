// What the instructions' decoders use to turn a ptx::Instruction into an Op.
//
// A decoder takes the modifiers one by one; whatever it leaves is unknown and fails the load.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "program/op.h"
#include "ptx/ast.h"
#include "ptx/lexer.h"

namespace virtual_gpu {

enum class SymbolKind : std::uint8_t {
  kRegister,
  kVariable,         // `value` is its address, or its offset in the block's shared memory
  kLocalVariable,    // `value` is its offset in the function's local memory
  kKernelParameter,  // `value` is its offset in the parameter block
  kFrameParameter,   // words in the frame from `operand` on
  kFunction,         // `value` is its index
  kLabel,            // `value` is the index of an Op
};

struct Symbol {
  SymbolKind kind = SymbolKind::kRegister;
  Operand operand = {};
  ptx::Type type = ptx::Type::kB32;
  ptx::Space space = ptx::Space::kReg;
  std::uint64_t value = 0;
  std::uint32_t bytes = 0;
};

/// Names of a function's blocks, innermost last, behind them those of the module.
class Scopes {
 public:
  void open() { scopes_.emplace_back(); }
  void close() { scopes_.pop_back(); }
  void add(const std::string& name, Symbol symbol) { scopes_.back()[name] = symbol; }
  const Symbol* find(const std::string& name) const;

 private:
  std::vector<std::unordered_map<std::string, Symbol>> scopes_;
};

/// The pool of constants, 32 lanes each.
class ConstantPool {
 public:
  explicit ConstantPool(std::vector<std::byte>& bytes) : bytes_(bytes) {}
  Operand add(std::uint64_t low, std::uint64_t high, std::uint8_t bytes);
  Operand add_predicate(bool value);

 private:
  std::vector<std::byte>& bytes_;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint8_t>, std::uint32_t> offsets_;
};

/// An address operand: a register or constant, and what is added to it.
struct Address {
  Operand base;
  std::int64_t offset = 0;
  const Symbol* symbol = nullptr;  // when the base is a variable or parameter
};

class Builder {
 public:
  Builder(Program& program, FunctionCode& function, Scopes& scopes, ConstantPool& constants,
          std::uint32_t target)
      : target(target),
        program_(program),
        function_(function),
        scopes_(scopes),
        constants_(constants) {}

  /// Decodes one instruction into the program's Ops.
  void decode(const ptx::Instruction& instruction);

  /// Adds a register of the frame.
  Operand add_register(const std::string& name, std::uint8_t bytes);

  // For decoders.
  Op& op() { return *op_; }
  const ptx::Instruction& instruction() const { return *instruction_; }
  std::size_t operand_count() const { return instruction_->operands.size(); }
  const ptx::Operand& operand(std::size_t index) const;

  /// Takes the next modifier if it is this word.
  bool accept(std::string_view word);
  /// Takes the next modifier if it is one of these; which, or nothing.
  std::optional<std::size_t> accept_one(std::initializer_list<std::string_view> words);
  std::size_t expect_one(std::initializer_list<std::string_view> words);
  std::optional<ptx::Type> accept_type();
  ptx::Type expect_type();
  std::optional<ptx::Space> accept_space();
  bool has_modifiers() const { return modifier_ < instruction_->modifiers.size(); }
  const std::string& next_modifier() const;

  /// Adds a destination: a register of exactly `bytes`, or with `wider` of at least so many.
  void destination(const ptx::Operand& operand, std::uint32_t bytes, bool wider = false);
  /// Adds a source of the type's size: a register, or a constant.
  void source(const ptx::Operand& operand, ptx::Type type, bool wider = false);
  void predicate_destination(const ptx::Operand& operand);
  void predicate_source(const ptx::Operand& operand);
  /// Adds any operand that was made beforehand.
  void add(const Operand& operand) { operands_.push_back(operand); }
  void end_destinations() { op_->destinations = static_cast<std::uint8_t>(operands_.size()); }

  Operand register_named(const ptx::Operand& operand) const;
  Operand constant(std::uint64_t value, std::uint8_t bytes);
  Operand constant_of(const ptx::Operand& operand, ptx::Type type);
  Address address(const ptx::Operand& operand);
  /// Adds the base of an address in memory, not of a parameter, and keeps its offset in the Op.
  void memory_address(const ptx::Operand& operand);
  /// An integer constant of the text, as immediates of some instructions must be.
  std::int64_t integer(const ptx::Operand& operand) const;
  const Symbol& symbol(const std::string& name) const;
  const Symbol* find_symbol(const std::string& name) const { return scopes_.find(name); }
  std::uint32_t label(const ptx::Operand& operand) const;
  std::vector<ptx::Operand> parts_of(const ptx::Operand& operand) const;

  /// Keeps what an Op's `detail` points to.
  template <typename T, typename... Arguments>
  T& detail(Arguments&&... arguments) {
    auto made = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    T& result = *made;
    op_->detail = &result;
    program_.details.push_back(std::move(made));
    return result;
  }
  /// The names of functions, for calls.
  Program& program() { return program_; }
  FunctionCode& function() { return function_; }
  /// An access of this memory of so many bytes exists.
  void note_access(ptx::Space space, std::uint32_t bytes);
  /// The instruction needs this architecture (75 for sm_75) or a later one.
  void require_target(std::uint32_t architecture) const;

  [[noreturn]] void fail(const std::string& what) const;

  const std::uint32_t target;

 private:
  Program& program_;
  FunctionCode& function_;
  Scopes& scopes_;
  ConstantPool& constants_;
  const ptx::Instruction* instruction_ = nullptr;
  Op* op_ = nullptr;
  std::size_t modifier_ = 0;
  std::vector<Operand> operands_;
};

}  // namespace virtual_gpu
