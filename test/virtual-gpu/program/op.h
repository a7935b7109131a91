// A decoded instruction: what the machine runs. The loader makes these from ptx::Instruction.
//
// Registers live in a warp's frame, 32 lanes of a register side by side, so that most instructions
// are loops over arrays. Constants lie the same way in the program's pool, and an operand names
// either by the same offset.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ptx/ast.h"
#include "ptx/types.h"

namespace virtual_gpu {

class Warp;
struct Op;

constexpr std::uint32_t kLanes = 32;
using LaneMask = std::uint32_t;
constexpr LaneMask kAllLanes = 0xFFFF'FFFF;

/// What an instruction did to the fragment of the warp that ran it.
enum class Flow : std::uint8_t {
  kNext,   // go on with the next instruction
  kMoved,  // the fragment's place, lanes or frame changed; look again
  kWait,   // the fragment waits, at the same instruction
};

/// Runs `op` for the lanes of `mask`, which is never empty.
using Execute = Flow (*)(Warp& warp, const Op& op, LaneMask mask);

/// A register of the frame, or a constant: 32 lanes of `bytes` each; a predicate is one LaneMask.
struct Operand {
  std::uint32_t offset = 0;    // in bytes into the frame or the pool
  std::uint32_t slot = 0;      // number of the register; 0 for constants, which are never tainted
  std::uint8_t base = 0;       // kRegisters or kConstants
  std::uint8_t bytes = 0;      // of one lane; 0 for predicates
  bool negated = false;        // of a predicate
  bool sink = false;           // "_": nothing to be written
};
constexpr std::uint8_t kRegisters = 0;
constexpr std::uint8_t kConstants = 1;

/// Every frame begins with the register that "_" stands for, of any size, and the carry flag.
constexpr std::uint32_t kSinkSlot = 1;
constexpr std::uint32_t kCarrySlot = 2;
constexpr std::uint32_t kCarryOffset = 16 * kLanes;
constexpr std::uint32_t kSinkBytes = kCarryOffset + 64;
constexpr Operand kCarry{.offset = kCarryOffset, .slot = kCarrySlot};

/// For the counters: which row of the report an instruction belongs to.
enum class OpClass : std::uint8_t {
  kInteger, kHalf, kFloat, kDouble, kConvert, kMove, kPredicate, kSpecial, kControl, kGlobalLoad,
  kGlobalStore, kSharedLoad, kSharedStore, kLocal, kConstant, kAtomic, kShuffle, kBarrier, kFence,
  kTensor, kMatrixLoad, kAsyncCopy, kAsyncWait, kOther, kCount,
};

std::string_view name_of(OpClass op_class);

struct Op {
  Execute execute = nullptr;
  std::span<const Operand> operands;   // destinations first, in the order of the instruction
  Operand guard;
  bool guarded = false;
  bool has_effects = false;            // beyond its destinations: undefined guards are errors
  std::uint8_t destinations = 0;       // how many operands are written
  OpClass op_class = OpClass::kOther;
  ptx::Type tensor_type = ptx::Type::kF16;  // of a product of matrices: that of A
  std::uint32_t variant = 0;           // bits of the instruction's own making
  std::uint32_t target = 0;            // of a branch: index of an Op
  std::int64_t immediate = 0;          // the offset of an address, …
  const void* detail = nullptr;        // what else the instruction needs; the program owns it
  std::uint32_t line = 0;              // in the module's text
  ptx::SourceLine source;
};

/// What Op::detail points to: owned by the program, typed by the instruction's own file.
struct Detail {
  virtual ~Detail() = default;
};

/// A parameter of a kernel or function: where it is in the parameter block or the frame.
struct Parameter {
  std::string name;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  std::uint32_t slot = 0;      // of a function's: its first word in the frame
  std::uint32_t alignment = 1;
};

struct FunctionCode {
  std::string name;
  std::uint32_t first = 0;             // its Ops: [first, end)
  std::uint32_t end = 0;
  std::uint32_t frame_bytes = kSinkBytes;  // of registers, 32 lanes each
  std::uint32_t slots = kCarrySlot;    // the highest in use; 0 stands for constants
  std::uint32_t local_bytes = 0;       // per lane, of .local variables
  std::vector<std::string> slot_names{"", "_", "CC.CF"};  // by slot, for messages
  std::vector<Parameter> parameters;   // of a function: offsets of frame words, see call.cc
  std::vector<Parameter> results;
};

/// One kernel with all functions it may call, ready to run.
struct Program {
  std::string name;
  std::vector<Op> ops;
  std::vector<FunctionCode> functions;          // the kernel is the first
  std::vector<std::byte> constants;             // the pool of broadcast constants
  std::vector<std::unique_ptr<Operand[]>> operand_lists;
  std::vector<std::unique_ptr<Detail>> details;
  std::unordered_map<std::string, std::vector<std::uint32_t>> branch_targets;  // of brx.idx
  std::vector<Parameter> parameters;            // of the kernel
  std::uint32_t parameter_bytes = 0;
  std::uint32_t shared_bytes = 0;               // static
  std::uint32_t shared_alignment = 1;           // of the dynamic part
  std::uint32_t dynamic_shared_offset = 0;      // from the start of the block's shared memory
  std::uint32_t shared_cell_bytes = 4;          // its smallest access of shared memory: 1, 2 or 4
  std::uint32_t global_cell_bytes = 4;          // the same of global memory
  std::uint32_t local_bytes = 0;                // per thread, of the deepest chain of calls
  std::uint32_t max_threads_per_block = 0;      // by .maxntid or .reqntid; 0: none stated
  std::uint32_t required_threads[3] = {0, 0, 0};
  std::uint32_t max_registers = 0;
  std::vector<std::string> files;
};

}  // namespace virtual_gpu
