#include "program/loader.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "machine/block.h"
#include "program/builder.h"

namespace virtual_gpu {
namespace {

using ptx::Space;
using ptx::Statement;

constexpr std::uint32_t kRecursionDepth = 32;   // that local memory is set aside for
constexpr std::uint32_t kLocalAlignment = 16;
constexpr std::uint32_t kWordBytes = 4;

std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

void visit_names(const ptx::Operand& operand, auto&& visit) {
  if (operand.kind == ptx::OperandKind::kName) visit(operand.name);
  for (const ptx::Operand& part : operand.parts) visit_names(part, visit);
}

class Loader {
 public:
  Loader(const ptx::Module& module, const VariableAddresses& addresses)
      : module_(module), addresses_(addresses), constants_(program_->constants) {}

  std::unique_ptr<Program> run(const ptx::Function& entry) {
    program_->name = entry.name;
    program_->files = module_.files;
    program_->max_registers = entry.max_registers;
    take_thread_limits(entry);
    gather(entry);
    scopes_.open();
    add_functions();
    add_variables();
    for (std::size_t i = 0; i < functions_.size(); ++i) declare(i);
    for (std::size_t i = 0; i < functions_.size(); ++i) decode(i);
    program_->local_bytes = local_bytes();
    return std::move(program_);
  }

 private:
  void take_thread_limits(const ptx::Function& entry) {
    const std::uint32_t* limits =
        entry.required_threads[0] != 0 ? entry.required_threads : entry.max_threads;
    if (limits[0] != 0) program_->max_threads_per_block = limits[0] * limits[1] * limits[2];
    std::copy_n(entry.required_threads, 3, program_->required_threads);
  }

  /// The functions that `entry` may call, itself first, and all names they use.
  void gather(const ptx::Function& entry) {
    std::unordered_map<std::string, const ptx::Function*> bodies;
    for (const ptx::Function& function : module_.functions) {
      if (!function.declared_only) bodies[function.name] = &function;
    }
    functions_.push_back(&entry);
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      for (const Statement& statement : functions_[i]->body) {
        for (const ptx::Operand& operand : statement.instruction.operands) {
          visit_names(operand, [&](const std::string& name) {
            used_.insert(name);
            const auto body = bodies.find(name);
            if (body == bodies.end()) return;
            const ptx::Function* function = body->second;
            if (std::find(functions_.begin(), functions_.end(), function) == functions_.end()) {
              functions_.push_back(function);
            }
          });
        }
      }
    }
  }

  void add_functions() {
    program_->functions.resize(functions_.size());
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      program_->functions[i].name = functions_[i]->name;
      scopes_.add(functions_[i]->name, {.kind = SymbolKind::kFunction, .value = i});
    }
  }

  void add_variables() {
    std::uint64_t shared = kSharedBase;
    std::uint32_t dynamic_alignment = kLocalAlignment;
    std::vector<const ptx::Variable*> dynamic;
    const auto place = [&](const ptx::Variable& variable) {
      if (variable.space != Space::kShared) return;
      if (variable.is_extern || variable.bytes() == 0) {
        dynamic.push_back(&variable);
        dynamic_alignment = std::max(dynamic_alignment, variable.alignment());
        return;
      }
      shared = align_up(shared, variable.alignment());
      add_variable(variable, shared);
      shared += variable.bytes();
    };
    for (const ptx::Variable& variable : module_.variables) {
      if (used_.contains(variable.name)) place(variable);
    }
    for (const ptx::Function* function : functions_) {
      for (const Statement& statement : function->body) {
        if (statement.kind == Statement::Kind::kDeclaration) place(statement.variable);
      }
    }
    program_->shared_bytes = static_cast<std::uint32_t>(shared - kSharedBase);
    const std::uint64_t start = align_up(shared, dynamic_alignment);
    program_->dynamic_shared_offset = static_cast<std::uint32_t>(start - kSharedBase);
    for (const ptx::Variable* variable : dynamic) add_variable(*variable, start);
    for (const ptx::Variable& variable : module_.variables) {
      const auto found = addresses_.find(variable.name);
      if (found != addresses_.end()) add_variable(variable, found->second);
    }
  }

  void add_variable(const ptx::Variable& variable, std::uint64_t address) {
    scopes_.add(variable.name, {.kind = SymbolKind::kVariable,
                                .type = variable.type,
                                .space = variable.space,
                                .value = address,
                                .bytes = static_cast<std::uint32_t>(variable.bytes())});
  }

  Builder builder_for(std::size_t index) {
    return Builder(*program_, program_->functions[index], scopes_, constants_, module_.target);
  }

  /// A .param variable in a frame: words of four bytes, each a register.
  Symbol frame_parameter(Builder& builder, const ptx::Variable& variable) {
    Symbol symbol{.kind = SymbolKind::kFrameParameter, .type = variable.type,
                  .space = Space::kParam};
    symbol.bytes = static_cast<std::uint32_t>(variable.bytes());
    for (std::uint32_t at = 0; at < std::max(symbol.bytes, 1u); at += kWordBytes) {
      const Operand word =
          builder.add_register(variable.name + '+' + std::to_string(at), kWordBytes);
      if (at == 0) symbol.operand = word;
    }
    return symbol;
  }

  /// Parameters and results, so that calls that come before the callee is decoded know them.
  void declare(std::size_t index) {
    const ptx::Function& function = *functions_[index];
    FunctionCode& code = program_->functions[index];
    Builder builder = builder_for(index);
    const auto add = [&](const ptx::Variable& variable, std::vector<Parameter>& list) {
      Symbol symbol;
      if (variable.space == Space::kReg) {
        symbol.operand = builder.add_register(
            variable.name, static_cast<std::uint8_t>(ptx::bytes_of(variable.type)));
      } else {
        symbol = frame_parameter(builder, variable);
      }
      list.push_back({variable.name, symbol.operand.offset,
                      static_cast<std::uint32_t>(variable.bytes()), symbol.operand.slot});
      formal_[index].emplace_back(variable.name, symbol);
    };
    if (function.entry) {
      declare_kernel_parameters(function);
      return;
    }
    for (const ptx::Variable& variable : function.parameters) add(variable, code.parameters);
    for (const ptx::Variable& variable : function.results) add(variable, code.results);
  }

  void declare_kernel_parameters(const ptx::Function& function) {
    std::uint32_t offset = 0;
    for (const ptx::Variable& variable : function.parameters) {
      offset = static_cast<std::uint32_t>(align_up(offset, variable.alignment()));
      const auto bytes = static_cast<std::uint32_t>(variable.bytes());
      program_->parameters.push_back({variable.name, offset, bytes, 0, variable.alignment()});
      formal_[0].emplace_back(variable.name, Symbol{.kind = SymbolKind::kKernelParameter,
                                                    .type = variable.type,
                                                    .space = Space::kParam,
                                                    .value = offset,
                                                    .bytes = bytes});
      offset += bytes;
    }
    program_->parameter_bytes = offset;
  }

  void decode(std::size_t index) {
    const ptx::Function& function = *functions_[index];
    FunctionCode& code = program_->functions[index];
    Builder builder = builder_for(index);
    code.first = static_cast<std::uint32_t>(program_->ops.size());
    scopes_.open();
    for (const auto& [name, symbol] : formal_[index]) scopes_.add(name, symbol);
    add_labels(function, 0, code.first);
    std::uint32_t line = function.line;
    for (std::size_t at = 0; at < function.body.size(); ++at) {
      const Statement& statement = function.body[at];
      line = statement.line;
      switch (statement.kind) {
        case Statement::Kind::kOpen:
          scopes_.open();
          add_labels(function, at + 1, static_cast<std::uint32_t>(program_->ops.size()));
          break;
        case Statement::Kind::kClose: scopes_.close(); break;
        case Statement::Kind::kDeclaration: add_declaration(builder, code, statement); break;
        case Statement::Kind::kInstruction: builder.decode(statement.instruction); break;
        default: break;
      }
    }
    // A function that runs into its end returns.
    ptx::Instruction last;
    last.opcode = "ret";
    last.line = line;
    builder.decode(last);
    scopes_.close();
    code.end = static_cast<std::uint32_t>(program_->ops.size());
  }

  /// The labels of one block, whose statements begin at `from` and whose first Op is `place`; those
  /// of the blocks inside it are their own.
  void add_labels(const ptx::Function& function, std::size_t from, std::uint32_t place) {
    int depth = 0;
    std::vector<const Statement*> lists;
    for (std::size_t at = from; at < function.body.size() && depth >= 0; ++at) {
      const Statement& statement = function.body[at];
      switch (statement.kind) {
        case Statement::Kind::kOpen: ++depth; break;
        case Statement::Kind::kClose: --depth; break;
        case Statement::Kind::kInstruction: ++place; break;
        case Statement::Kind::kLabel:
          if (depth == 0) {
            scopes_.add(statement.label, {.kind = SymbolKind::kLabel, .value = place});
          }
          break;
        case Statement::Kind::kTargets:
          if (depth == 0) lists.push_back(&statement);
          break;
        default: break;
      }
    }
    for (const Statement* list : lists) add_branch_targets(*list);
  }

  void add_branch_targets(const Statement& list) {
    std::vector<std::uint32_t>& places = program_->branch_targets[list.label];
    places.clear();
    for (const std::string& name : list.targets) {
      const Symbol* label = scopes_.find(name);
      if (label == nullptr || label->kind != SymbolKind::kLabel) {
        throw ptx::ParseError(list.line, "Expected a label but received " + name);
      }
      places.push_back(static_cast<std::uint32_t>(label->value));
    }
  }

  void add_declaration(Builder& builder, FunctionCode& code, const Statement& statement) {
    const ptx::Variable& variable = statement.variable;
    switch (variable.space) {
      case Space::kReg:
        add_registers(builder, variable);
        break;
      case Space::kLocal:
        code.local_bytes =
            static_cast<std::uint32_t>(align_up(code.local_bytes, variable.alignment()));
        scopes_.add(variable.name, {.kind = SymbolKind::kLocalVariable,
                                    .type = variable.type,
                                    .space = Space::kLocal,
                                    .value = code.local_bytes,
                                    .bytes = static_cast<std::uint32_t>(variable.bytes())});
        code.local_bytes += static_cast<std::uint32_t>(variable.bytes());
        break;
      case Space::kParam:
        scopes_.add(variable.name, frame_parameter(builder, variable));
        break;
      case Space::kShared:
        break;  // placed before
      default:
        throw ptx::ParseError(statement.line,
                              "." + std::string(name_of(variable.space)) + " inside a function");
    }
  }

  void add_registers(Builder& builder, const ptx::Variable& variable) {
    const auto bytes = static_cast<std::uint8_t>(ptx::bytes_of(variable.type));
    const auto add = [&](const std::string& name) {
      const Operand made = builder.add_register(name, bytes);
      scopes_.add(name, {.kind = SymbolKind::kRegister, .operand = made, .type = variable.type});
    };
    if (variable.registers == 0) return add(variable.name);
    for (std::uint32_t i = 0; i < variable.registers; ++i) add(variable.name + std::to_string(i));
  }

  /// Local memory for every function once, or for many calls where functions call in circles.
  std::uint32_t local_bytes() const {
    std::uint64_t sum = 0;
    for (const FunctionCode& code : program_->functions) {
      sum += align_up(code.local_bytes, kLocalAlignment);
    }
    const bool may_recurse = functions_.size() > 1;
    return static_cast<std::uint32_t>(may_recurse ? sum * kRecursionDepth : sum);
  }

  const ptx::Module& module_;
  const VariableAddresses& addresses_;
  std::unique_ptr<Program> program_ = std::make_unique<Program>();
  ConstantPool constants_;
  Scopes scopes_;
  std::vector<const ptx::Function*> functions_;
  std::unordered_set<std::string> used_;
  std::unordered_map<std::size_t, std::vector<std::pair<std::string, Symbol>>> formal_;
};

}  // namespace

std::unique_ptr<Program> load_program(const ptx::Module& module, const ptx::Function& entry,
                                      const VariableAddresses& addresses) {
  return Loader(module, addresses).run(entry);
}

}  // namespace virtual_gpu
