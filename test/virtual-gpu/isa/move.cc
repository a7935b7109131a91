// Moves: mov with packing and unpacking, addresses of variables, cvta, isspacep (PTX ISA, "mov",
// "cvta", "isspacep"). Special registers are special.cc's.
#include <bit>
#include <cstring>

#include "isa/lanes.h"
#include "isa/registry.h"
#include "isa/special.h"
#include "machine/block.h"

namespace virtual_gpu::isa {
namespace {

using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

template <typename T>
struct Copy : SpreadBits {
  static T value(T a) { return a; }
};

struct Wide128 {
  std::uint64_t parts[2];
};

Flow run_copy_128(Warp& warp, const Op& op, LaneMask mask) {
  const LaneMask undefined = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = undefined != 0 ? warp.origin_of(op.operands[1]) : 0;
  write_lanes(warp, op.operands[0], mask, warp.lanes_of<Wide128>(op.operands[1]));
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

Flow run_copy_predicate(Warp& warp, const Op& op, LaneMask mask) {
  LaneMask value = warp.predicate(op.operands[1]);
  if (op.operands[1].negated) value = ~value;
  const LaneMask undefined = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = undefined != 0 ? warp.origin_of(op.operands[1]) : 0;
  LaneMask& to = warp.predicate(op.operands[0]);
  to = (to & ~mask) | (value & mask);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

Execute copy_of(std::uint32_t bytes) {
  switch (bytes) {
    case 1: return &map_lanes<Copy<std::uint8_t>, std::uint8_t, std::uint8_t>;
    case 2: return &map_lanes<Copy<std::uint16_t>, std::uint16_t, std::uint16_t>;
    case 4: return &map_lanes<Copy<std::uint32_t>, std::uint32_t, std::uint32_t>;
    case 8: return &map_lanes<Copy<std::uint64_t>, std::uint64_t, std::uint64_t>;
    case 16: return &run_copy_128;
    default: return nullptr;
  }
}

/// Bytes of many registers to bytes of others, in order, for each lane: packing and unpacking.
/// Operands: `variant` destinations, then the sources; both sides have the same number of bytes.
Flow run_repack(Warp& warp, const Op& op, LaneMask mask) {
  constexpr std::size_t kMaxBytes = 16;
  const std::uint32_t destinations = op.variant;
  std::byte values[kLanes][kMaxBytes];
  std::byte undefined[kLanes][kMaxBytes] = {};
  bool tainted = false;
  std::uint32_t origin = 0;
  std::size_t at = 0;
  for (const Operand& from : op.operands.subspan(destinations)) {
    const std::byte* value = warp.lanes_of<std::byte>(from);
    const std::byte* bits = nullptr;
    if (warp.tainted(from)) {
      warp.spread_taint(from);
      bits = warp.undefined_of<std::byte>(from);
      origin = warp.origin_of(from);
      tainted = true;
    }
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(&values[lane][at], value + lane * from.bytes, from.bytes);
      if (bits != nullptr) {
        std::memcpy(&undefined[lane][at], bits + lane * from.bytes, from.bytes);
      }
    }
    at += from.bytes;
  }
  at = 0;
  for (const Operand& to : op.operands.subspan(0, destinations)) {
    const auto write = [&]<typename T>(T) {
      T part[kLanes];
      T bits[kLanes];
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        std::memcpy(&part[lane], &values[lane][at], sizeof(T));
        std::memcpy(&bits[lane], &undefined[lane][at], sizeof(T));
      }
      write_lanes(warp, to, mask, part);
      if (tainted) write_undefined(warp, to, mask, bits, origin);
      else warp.mark_defined(to, mask);
    };
    switch (to.bytes) {
      case 1: write(std::uint8_t{}); break;
      case 2: write(std::uint16_t{}); break;
      case 4: write(std::uint32_t{}); break;
      case 8: write(std::uint64_t{}); break;
      default: {
        const auto* whole = reinterpret_cast<const Wide128*>(values);
        write_lanes(warp, to, mask, whole);
        warp.mark_defined(to, mask);
        if (tainted) warp.mark_undefined(to, mask, origin);
      }
    }
    at += to.bytes;
  }
  return Flow::kNext;
}

/// The address of a .local variable: what the frame's local memory begins at, plus the immediate.
Flow run_local_address(Warp& warp, const Op& op, LaneMask mask) {
  const std::uint64_t address = warp.frame().local_base + static_cast<std::uint64_t>(op.immediate);
  if (op.operands[0].bytes == 4) {
    std::uint32_t lanes[kLanes];
    std::fill_n(lanes, kLanes, static_cast<std::uint32_t>(address));
    write_lanes(warp, op.operands[0], mask, lanes);
  } else {
    std::uint64_t lanes[kLanes];
    std::fill_n(lanes, kLanes, address);
    write_lanes(warp, op.operands[0], mask, lanes);
  }
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

void decode_address(Builder& b, const Symbol& symbol, const ptx::Operand& operand) {
  const Operand to = b.register_named(b.operand(0));
  b.add(to);
  b.end_destinations();
  const std::uint64_t value = symbol.value + static_cast<std::uint64_t>(operand.integer);
  switch (symbol.kind) {
    case SymbolKind::kLocalVariable:
      b.op().immediate = static_cast<std::int64_t>(value);
      b.op().execute = &run_local_address;
      return;
    case SymbolKind::kVariable:
    case SymbolKind::kFunction:
    case SymbolKind::kKernelParameter:
      b.op().execute = copy_of(to.bytes);
      b.add(b.constant(value, to.bytes));
      return;
    default:
      b.fail("Expected a name that has an address but received " + operand.name);
  }
}

std::uint32_t total_bytes(Builder& b, const std::vector<ptx::Operand>& parts,
                          std::uint32_t fallback) {
  std::uint32_t sum = 0;
  for (const ptx::Operand& part : parts) {
    sum += part.kind == OperandKind::kName ? b.register_named(part).bytes : fallback;
  }
  return sum;
}

void decode_repack(Builder& b, Type type) {
  const std::vector<ptx::Operand> to = b.parts_of(b.operand(0));
  const std::vector<ptx::Operand> from = b.parts_of(b.operand(1));
  const std::uint32_t whole = ptx::bytes_of(type);
  const auto part_of = [&](const std::vector<ptx::Operand>& parts) {
    return whole / static_cast<std::uint32_t>(parts.size());
  };
  if (to.empty() || from.empty() || whole % to.size() != 0 || whole % from.size() != 0) {
    b.fail("Expected parts that make up the type");
  }
  for (const ptx::Operand& operand : to) b.destination(operand, part_of(to));
  b.end_destinations();
  b.op().variant = static_cast<std::uint32_t>(to.size());
  for (const ptx::Operand& operand : from) {
    if (operand.kind == OperandKind::kInteger) {
      b.add(b.constant(static_cast<std::uint64_t>(operand.integer),
                       static_cast<std::uint8_t>(part_of(from))));
    } else if (operand.kind == OperandKind::kFloat) {
      b.add(b.constant_of(operand, part_of(from) == 8 ? Type::kF64 : Type::kF32));
    } else {
      b.add(b.register_named(operand));
    }
  }
  if (total_bytes(b, from, part_of(from)) != whole) b.fail("Expected parts of the type's size");
  b.op().execute = &run_repack;
}

void decode_mov(Builder& b) {
  const Type type = b.expect_type();
  const ptx::Operand& from = b.operand(1);
  b.op().op_class = OpClass::kMove;
  if (type == Type::kPred) {
    b.op().execute = &run_copy_predicate;
    b.op().op_class = OpClass::kPredicate;
    b.predicate_destination(b.operand(0));
    b.end_destinations();
    b.predicate_source(from);
    return;
  }
  const bool vectors =
      b.operand(0).kind == OperandKind::kVector || from.kind == OperandKind::kVector;
  if (vectors) return decode_repack(b, type);
  if (from.kind == OperandKind::kName) {
    if (special::decode(b, type)) return;
    const Symbol& symbol = b.symbol(from.name);
    if (symbol.kind != SymbolKind::kRegister) return decode_address(b, symbol, from);
  }
  b.op().execute = copy_of(ptx::bytes_of(type));
  b.destination(b.operand(0), ptx::bytes_of(type));
  b.end_destinations();
  b.source(from, type);
}

std::uint64_t window_of(Builder& b, Space space) {
  switch (space) {
    case Space::kShared: return kSharedWindow;
    case Space::kLocal: return kLocalWindow;
    case Space::kParam: return kParamWindow;
    case Space::kGlobal:
    case Space::kConst: return 0;
    default: b.fail("Expected a state space");
  }
}

template <typename T>
struct Offset : SpreadLeft {
  static T value(T a, T window) { return static_cast<T>(a + window); }
};

void decode_cvta(Builder& b) {
  const bool from_generic = b.accept("to");
  const auto space = b.accept_space();
  if (!space) b.fail("Expected a state space");
  const Type type = b.expect_type();
  if (ptx::bytes_of(type) != 8) b.fail("Expected addresses of 64 bits");
  const std::uint64_t window = window_of(b, *space);
  b.op().op_class = OpClass::kMove;
  const ptx::Operand& from = b.operand(1);
  b.destination(b.operand(0), 8);
  b.end_destinations();
  const Symbol* symbol = from.kind == OperandKind::kName ? b.find_symbol(from.name) : nullptr;
  if (symbol != nullptr && symbol->kind != SymbolKind::kRegister) {
    if (symbol->kind == SymbolKind::kLocalVariable) {
      b.op().immediate = static_cast<std::int64_t>(symbol->value + window) + from.integer;
      b.op().execute = &run_local_address;
      return;
    }
    b.add(b.constant(symbol->value + static_cast<std::uint64_t>(from.integer), 8));
  } else {
    b.source(from, type);
  }
  b.op().execute = &map_lanes<Offset<std::uint64_t>, std::uint64_t, std::uint64_t, std::uint64_t>;
  b.add(b.constant(from_generic ? 0 - window : window, 8));
}

Flow run_isspacep(Warp& warp, const Op& op, LaneMask mask) {
  const std::uint64_t* addresses = warp.lanes_of<std::uint64_t>(op.operands[1]);
  LaneMask inside = 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t window = addresses[lane] / kWindowSize * kWindowSize;
    bool is = false;
    switch (static_cast<Space>(op.variant)) {
      case Space::kShared: is = window == kSharedWindow; break;
      case Space::kLocal: is = window == kLocalWindow; break;
      case Space::kParam: is = window == kParamWindow; break;
      case Space::kConst: {
        const Allocation* found = warp.block().find_allocation(addresses[lane]);
        is = found != nullptr && found->kind == MemoryKind::kConstant;
        break;
      }
      default:  // the window of parameters lies in that of global memory
        is = window != kSharedWindow && window != kLocalWindow;
    }
    inside |= LaneMask{is} << lane;
  }
  const LaneMask undefined = warp.undefined_lanes(op.operands[1], mask);
  const std::uint32_t origin = undefined != 0 ? warp.origin_of(op.operands[1]) : 0;
  LaneMask& to = warp.predicate(op.operands[0]);
  to = (to & ~mask) | (inside & mask);
  warp.mark_defined(op.operands[0], mask);
  if (undefined != 0) warp.mark_undefined(op.operands[0], undefined, origin);
  return Flow::kNext;
}

void decode_isspacep(Builder& b) {
  const auto space = b.accept_space();
  if (!space) b.fail("Expected a state space");
  b.op().variant = static_cast<std::uint32_t>(*space);
  b.op().execute = &run_isspacep;
  b.op().op_class = OpClass::kPredicate;
  b.predicate_destination(b.operand(0));
  b.end_destinations();
  b.source(b.operand(1), Type::kU64);
}

}  // namespace

std::span<const Entry> move_instructions() {
  static constexpr Entry kEntries[] = {
      {"mov", decode_mov}, {"cvta", decode_cvta}, {"isspacep", decode_isspacep},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
