// A PTX module as it is written: what the parser makes of the text and the loader reads.
//
// Nothing is resolved here: operands are names, modifiers are words. Lines count from 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ptx/types.h"

namespace virtual_gpu::ptx {

enum class OperandKind : std::uint8_t {
  kName,     // a register, a variable, a label or a function; with components as in "%tid.x"
  kInteger,  // an integer constant
  kFloat,    // a floating-point constant: decimal, 0f… or 0d…
  kAddress,  // [base + offset]; the base is the one part, or the integer alone
  kVector,   // {a, b, c, d}
  kPair,     // a|b: two destinations
  kTuple,    // (a, b): arguments and results of a call
  kSink,     // _: a result nobody wants
};

struct Operand {
  OperandKind kind = OperandKind::kSink;
  std::string name;           // kName
  bool negated = false;       // "!%p"
  bool minus = false;         // "-%r", which a few instructions allow
  bool generic = false;       // "generic(name)", in the initial value of a variable
  std::int64_t integer = 0;   // kInteger; the offset of kAddress and of "name+8"
  double real = 0;            // kFloat
  std::vector<Operand> parts;  // of kAddress (one), kVector, kPair, kTuple
};

/// Where the compiler says an instruction comes from; file 0 means that it does not say.
struct SourceLine {
  std::uint32_t file = 0;
  std::uint32_t line = 0;
};

struct Instruction {
  std::string guard;                   // the predicate register of "@%p", or empty
  bool guard_negated = false;          // "@!%p"
  std::string opcode;                  // "mma"
  std::vector<std::string> modifiers;  // "sync", "aligned", "m16n8k16", …, without dots
  std::vector<Operand> operands;
  std::uint32_t line = 0;
  SourceLine source;
};

/// A variable, a parameter, or a range of registers ("%r<40>").
struct Variable {
  Space space = Space::kReg;
  Type type = Type::kB32;
  std::string name;
  std::uint32_t vector = 1;             // 2 or 4 for .v2 and .v4
  std::uint32_t align = 0;              // in bytes; 0: that of the type
  std::vector<std::uint64_t> extents;   // of an array; a first extent of 0 is left open
  std::uint32_t registers = 0;          // of a range; 0 for a single name
  bool is_extern = false;
  bool visible = false;
  std::vector<Operand> initial;         // flattened; empty: zeros
  std::uint32_t line = 0;

  /// Bytes of one element times all extents; 0 for an open array.
  std::uint64_t bytes() const;
  std::uint32_t alignment() const;
};

struct Statement {
  enum class Kind : std::uint8_t { kInstruction, kLabel, kDeclaration, kOpen, kClose, kTargets,
                                   kPrototype };
  Kind kind = Kind::kInstruction;
  Instruction instruction;
  Variable variable;                 // kDeclaration
  std::string label;                 // kLabel; the name of kTargets and kPrototype
  std::vector<std::string> targets;  // kTargets: of a .branchtargets
  std::vector<Variable> results;     // kPrototype
  std::vector<Variable> parameters;  // kPrototype
  std::uint32_t line = 0;
};

struct Function {
  std::string name;
  bool entry = false;
  bool is_extern = false;
  bool declared_only = false;
  std::vector<Variable> results;
  std::vector<Variable> parameters;
  std::uint32_t max_threads[3] = {0, 0, 0};       // .maxntid
  std::uint32_t required_threads[3] = {0, 0, 0};  // .reqntid
  std::uint32_t min_blocks = 0;                   // .minnctapersm
  std::uint32_t max_registers = 0;                // .maxnreg
  std::vector<Statement> body;
  std::uint32_t line = 0;
};

struct Module {
  std::uint32_t version_major = 0;
  std::uint32_t version_minor = 0;
  std::uint32_t target = 0;      // 80 of "sm_80"
  std::string target_name;
  std::vector<std::string> files;  // by the index of .file
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

}  // namespace virtual_gpu::ptx
