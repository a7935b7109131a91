// Control flow (PTX ISA, "Control Flow Instructions"): bra, brx.idx, call, ret, exit, trap.
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu::isa {
namespace {

using ptx::OperandKind;
using ptx::Type;

Flow run_bra(Warp& warp, const Op& op, LaneMask mask) {
  const bool all = mask == warp.lanes();
  const bool backward = op.target <= warp.pc();
  if (backward) warp.count_backward_branch();
  if (all) {
    warp.jump(op.target);
    return Flow::kMoved;
  }
  warp.split(mask, op.target);
  return Flow::kMoved;
}

void decode_bra(Builder& b) {
  b.accept("uni");
  b.op().target = b.label(b.operand(0));
  b.op().execute = &run_bra;
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
}

struct Targets : Detail {
  std::vector<std::uint32_t> places;
};

Flow run_brx(Warp& warp, const Op& op, LaneMask mask) {
  const auto& targets = *static_cast<const Targets*>(op.detail);
  warp.require_defined(op, op.operands[0], mask, "as a branch's index");
  const std::uint32_t* index = warp.lanes_of<std::uint32_t>(op.operands[0]);
  const auto first = static_cast<std::uint32_t>(std::countr_zero(mask));
  if (index[first] >= targets.places.size()) {
    warp.fault(HazardKind::kInvalidInstruction, op, first,
               "branch target " + std::to_string(index[first]) + " of " +
                   std::to_string(targets.places.size()));
  }
  // Those that go elsewhere come back to this instruction for their own target.
  LaneMask same = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (index[lane] == index[first]) same |= 1u << lane;
  }
  warp.split_here(same, mask, targets.places[index[first]]);
  warp.count_backward_branch();
  return Flow::kMoved;
}

void decode_brx(Builder& b) {
  if (!b.accept("idx")) b.fail("Expected brx.idx");
  b.accept("uni");
  Targets& targets = b.detail<Targets>();
  const auto found = b.program().branch_targets.find(b.operand(1).name);
  if (found == b.program().branch_targets.end()) b.fail("Expected a list of branch targets");
  targets.places = found->second;
  b.op().execute = &run_brx;
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
  b.source(b.operand(0), Type::kU32);
}

/// A call: which parameters of the caller's frame go where in the callee's, word by word.
struct Call : Detail {
  std::uint32_t function = 0;
  bool indirect = false;
  std::vector<Operand> arguments;  // first words
  std::vector<Operand> results;
};

constexpr std::uint32_t kWordBytes = 4;

void copy_words(Frame& from, std::uint32_t from_offset, std::uint32_t from_slot, Frame& to,
                std::uint32_t to_offset, std::uint32_t to_slot, std::uint32_t words,
                LaneMask mask) {
  for (std::uint32_t i = 0; i < words; ++i) {
    const std::uint32_t a = from_offset + i * kWordBytes * kLanes;
    const std::uint32_t b = to_offset + i * kWordBytes * kLanes;
    const std::uint8_t taint = from.taint[from_slot + i];
    if (taint != kClean && to.taint[to_slot + i] == kClean) {
      std::memset(to.undefined.get() + b, 0, kWordBytes * kLanes);
    }
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(left)) * kWordBytes;
      std::memcpy(to.data.get() + b + lane, from.data.get() + a + lane, kWordBytes);
      if (taint == kTainted) {
        std::memcpy(to.undefined.get() + b + lane, from.undefined.get() + a + lane, kWordBytes);
      } else {
        std::memset(to.undefined.get() + b + lane, taint == kUnwritten ? 0xFF : 0, kWordBytes);
      }
    }
    if (taint != kClean) {
      to.taint[to_slot + i] = kTainted;
      to.origins[to_slot + i] = from.origins[from_slot + i];
    } else if (to.taint[to_slot + i] == kUnwritten) {
      // All lanes of a new frame are those of the call.
      to.taint[to_slot + i] = kClean;
    }
  }
}

std::uint32_t words_of(const Parameter& parameter) {
  return (parameter.bytes + kWordBytes - 1) / kWordBytes;
}

const FunctionCode& callee_of(Warp& warp, const Op& op, LaneMask mask, LaneMask& same) {
  const auto& call = *static_cast<const Call*>(op.detail);
  const Program& program = warp.block().grid().program();
  same = mask;
  if (!call.indirect) return program.functions[call.function];
  warp.require_defined(op, op.operands[0], mask, "as a function's address");
  const std::uint64_t* target = warp.lanes_of<std::uint64_t>(op.operands[0]);
  const auto first = static_cast<std::uint32_t>(std::countr_zero(mask));
  if (target[first] >= program.functions.size()) {
    warp.fault(HazardKind::kInvalidInstruction, op, first, "a call of what is no function");
  }
  same = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (target[lane] == target[first]) same |= 1u << lane;
  }
  return program.functions[target[first]];
}

Flow run_call(Warp& warp, const Op& op, LaneMask mask) {
  const auto& call = *static_cast<const Call*>(op.detail);
  LaneMask same = mask;
  const FunctionCode& callee = callee_of(warp, op, mask, same);
  if (!warp.may_call()) {
    warp.fault(HazardKind::kStackOverflow, op, static_cast<std::uint32_t>(std::countr_zero(mask)),
               "functions call each other too deeply");
  }
  if (callee.parameters.size() != call.arguments.size()) {
    warp.fault(HazardKind::kInvalidInstruction, op, kLanes,
               "a call with other parameters than " + callee.name + " has");
  }
  Frame& caller = warp.frame();
  if (same != mask) warp.split_here(same, mask, warp.pc());
  warp.call(callee, same);
  Frame& frame = warp.frame();
  for (std::size_t i = 0; i < callee.parameters.size(); ++i) {
    const Parameter& formal = callee.parameters[i];
    copy_words(caller, call.arguments[i].offset, call.arguments[i].slot, frame, formal.offset,
               formal.slot, words_of(formal), same);
  }
  return Flow::kMoved;
}

Flow run_ret(Warp& warp, const Op&, LaneMask mask) {
  Frame& frame = warp.frame();
  if (frame.caller != nullptr) {
    const Op& op = warp.block().grid().program().ops[frame.return_pc - 1];
    const auto& call = *static_cast<const Call*>(op.detail);
    const FunctionCode& code = frame.function;
    for (std::size_t i = 0; i < code.results.size() && i < call.results.size(); ++i) {
      copy_words(frame, code.results[i].offset, code.results[i].slot, *frame.caller,
                 call.results[i].offset, call.results[i].slot, words_of(code.results[i]), mask);
    }
  }
  warp.leave_function(mask);
  return Flow::kMoved;
}

/// A function that the module only declares. What it would do is not known, but for two of them.
struct External : Detail {
  std::string name;
  std::vector<Operand> results;
};

Flow run_external(Warp& warp, const Op& op, LaneMask mask) {
  const auto& external = *static_cast<const External*>(op.detail);
  const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
  if (external.name == "__assertfail") {
    warp.fault(HazardKind::kTrap, op, lane, "an assertion has failed");
  }
  if (external.name != "vprintf") {
    warp.fault(HazardKind::kTrap, op, lane, "a call of " + external.name +
                                                ", which the module only declares");
  }
  // What a kernel prints is not shown; the call says that it printed nothing.
  for (const Operand& result : external.results) {
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      warp.lanes_of<std::uint32_t>(result)[std::countr_zero(left)] = 0;
    }
    warp.mark_defined(result, mask);
  }
  return Flow::kNext;
}

Operand argument_of(Builder& b, const ptx::Operand& operand) {
  const Symbol& symbol = b.symbol(operand.name);
  if (symbol.kind != SymbolKind::kFrameParameter && symbol.kind != SymbolKind::kRegister) {
    b.fail("Expected a parameter but received " + operand.name);
  }
  return symbol.operand;
}

void decode_call(Builder& b) {
  b.accept("uni");
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
  std::size_t at = 0;
  std::vector<Operand> results;
  if (b.operand(0).kind == OperandKind::kTuple) {
    for (const ptx::Operand& part : b.operand(at++).parts) {
      results.push_back(argument_of(b, part));
    }
  }
  const ptx::Operand& target = b.operand(at++);
  if (b.find_symbol(target.name) == nullptr) {
    External& external = b.detail<External>();
    external.name = target.name;
    external.results = std::move(results);
    b.op().execute = &run_external;
    return;
  }
  Call& call = b.detail<Call>();
  call.results = std::move(results);
  b.op().execute = &run_call;
  const Symbol& symbol = b.symbol(target.name);
  if (symbol.kind == SymbolKind::kFunction) {
    call.function = static_cast<std::uint32_t>(symbol.value);
  } else {
    call.indirect = true;
    b.source(target, Type::kU64);
  }
  if (at < b.operand_count() && b.operand(at).kind == OperandKind::kTuple) {
    for (const ptx::Operand& part : b.operand(at).parts) {
      call.arguments.push_back(argument_of(b, part));
    }
  }
}

void decode_ret(Builder& b) {
  b.accept("uni");
  b.op().execute = &run_ret;
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
}

Flow run_exit(Warp& warp, const Op&, LaneMask mask) {
  warp.exit(mask);
  return Flow::kMoved;
}

void decode_exit(Builder& b) {
  b.op().execute = &run_exit;
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
}

Flow run_trap(Warp& warp, const Op& op, LaneMask mask) {
  warp.fault(HazardKind::kTrap, op, static_cast<std::uint32_t>(std::countr_zero(mask)),
             "the kernel has stopped itself");
}

void decode_trap(Builder& b) {
  b.op().execute = &run_trap;
  b.op().op_class = OpClass::kControl;
  b.op().has_effects = true;
}

}  // namespace

std::span<const Entry> control_instructions() {
  static constexpr Entry kEntries[] = {
      {"bra", decode_bra},   {"brx", decode_brx},   {"call", decode_call}, {"ret", decode_ret},
      {"exit", decode_exit}, {"trap", decode_trap}, {"brkpt", decode_trap},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
