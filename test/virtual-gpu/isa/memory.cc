// Loads and stores (PTX ISA, "ld", "ld.global.nc", "st", "prefetch", …). Parameters that lie in
// registers are parameter.cc's.
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "isa/lanes.h"
#include "isa/memory.h"
#include "isa/registry.h"
#include "isa/semantics.h"
#include "machine/access.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;
using ptx::Type;

struct Transfer : Detail {
  Space space = Space::kGeneric;
  Access access = Access::kRead;
  Semantics semantics;
  Type type = Type::kB32;
  std::uint32_t count = 1;         // of elements
  std::uint32_t element_bytes = 4;
  bool local_symbol = false;       // the address is relative to the frame's local memory
};

void add_local_base(Warp& warp, const Transfer& transfer, std::uint64_t (&addresses)[kLanes]) {
  if (!transfer.local_symbol) return;
  for (std::uint64_t& address : addresses) address += warp.frame().local_base;
}

std::uint64_t read_bytes(const std::byte* from, std::uint32_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}

std::uint64_t extended(const Transfer& transfer, std::uint64_t value) {
  if (!ptx::is_signed(transfer.type) || transfer.element_bytes == 8) return value;
  const std::uint32_t shift = 64 - 8 * transfer.element_bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

/// The undefined bits of one element, extended as its value is.
std::uint64_t undefined_element(const Transfer& transfer, const LaneBytes& lane,
                                std::uint32_t index) {
  if (lane.defined == nullptr) return 0;
  std::uint64_t defined = 0;
  std::memcpy(&defined, lane.defined + index * transfer.element_bytes, transfer.element_bytes);
  const std::uint32_t bits = 8 * transfer.element_bytes;
  const std::uint64_t all = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  return extended(transfer, ~defined & all);
}

bool all_defined(const LaneBytes& lane, std::uint32_t bytes) {
  if (lane.defined == nullptr) return true;
  std::uint32_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, lane.defined + at, 8);
    if (word != ~std::uint64_t{0}) return false;
  }
  for (; at < bytes; ++at) {
    if (lane.defined[at] != 0xFF) return false;
  }
  return true;
}

/// `lanes` is where the bytes came from, `loaded` what they are.
template <typename T>
void load_element(Warp& warp, const Op& op, LaneMask mask, const LaneBytes (&lanes)[kLanes],
                  const AccessBytes& loaded, std::uint32_t index, LaneMask doubtful) {
  const auto& transfer = *static_cast<const Transfer*>(op.detail);
  const Operand& to = op.operands[index];
  T* values = warp.lanes_of<T>(to);
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const std::byte* from = loaded[lane] + index * transfer.element_bytes;
    if constexpr (sizeof(T) == 16) {
      std::memcpy(&values[lane], from, sizeof(T));
    } else if (transfer.element_bytes == sizeof(T)) {
      std::memcpy(&values[lane], from, sizeof(T));
    } else {
      values[lane] = static_cast<T>(extended(transfer, read_bytes(from, transfer.element_bytes)));
    }
  }
  if (doubtful == 0) return warp.mark_defined(to, mask);
  const std::uint32_t origin = memory_origin(warp, lanes[std::countr_zero(doubtful)]);
  if constexpr (sizeof(T) == 16) {
    warp.mark_defined(to, mask);
    warp.mark_undefined(to, doubtful, origin);
  } else {
    T bits[kLanes] = {};
    for (LaneMask left = doubtful; left != 0; left &= left - 1) {
      const int lane = std::countr_zero(left);
      bits[lane] = static_cast<T>(undefined_element(transfer, lanes[lane], index));
    }
    write_undefined(warp, to, mask, bits, origin);
  }
}

struct Wide128 {
  std::uint64_t parts[2];
};

Flow run_ld(Warp& warp, const Op& op, LaneMask mask) {
  const auto& transfer = *static_cast<const Transfer*>(op.detail);
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, op.operands[transfer.count], mask, addresses);
  add_local_base(warp, transfer, addresses);
  const std::uint32_t bytes = transfer.count * transfer.element_bytes;
  LaneBytes lanes[kLanes];
  AccessBytes loaded;
  const AccessRequest request{.space = transfer.space,
                              .access = transfer.access,
                              .bytes = bytes,
                              .addresses = addresses,
                              .loaded = &loaded,
                              .semantics = transfer.semantics};
  resolve(warp, op, mask, request, lanes);
  LaneMask doubtful = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (!all_defined(lanes[lane], bytes)) doubtful |= 1u << lane;
  }
  for (std::uint32_t i = 0; i < transfer.count; ++i) {
    const auto load = [&]<typename T>(std::type_identity<T>) {
      load_element<T>(warp, op, mask, lanes, loaded, i, doubtful);
    };
    switch (op.operands[i].bytes) {
      case 1: load(std::type_identity<std::uint8_t>()); break;
      case 2: load(std::type_identity<std::uint16_t>()); break;
      case 4: load(std::type_identity<std::uint32_t>()); break;
      case 8: load(std::type_identity<std::uint64_t>()); break;
      default: load(std::type_identity<Wide128>()); break;
    }
  }
  observe(warp, mask, request, lanes);
  return Flow::kNext;
}

void gather_values(Warp& warp, const Op& op, const Transfer& transfer,
                   AccessBytes& values) {
  for (std::uint32_t index = 0; index < transfer.count; ++index) {
    const Operand& from = op.operands[1 + index];
    const std::byte* lanes = warp.lanes_of<std::byte>(from);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(&values[lane][index * transfer.element_bytes], lanes + lane * from.bytes,
                  transfer.element_bytes);
    }
  }
}

/// Marks what a store has written; `resolve` wrote the bytes themselves.
void define_element(Warp& warp, const Op& op, LaneMask mask, const LaneBytes (&lanes)[kLanes],
                    std::uint32_t index) {
  const auto& transfer = *static_cast<const Transfer*>(op.detail);
  const Operand& from = op.operands[1 + index];
  const std::uint32_t bytes = transfer.element_bytes;
  const bool tainted = warp.tainted(from);
  if (tainted) warp.spread_taint(from);
  const std::byte* undefined = tainted ? warp.undefined_of<std::byte>(from) : nullptr;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const LaneBytes& to = lanes[lane];
    if (to.defined == nullptr) continue;
    std::uint8_t* defined = to.defined + index * bytes;
    std::memset(defined, 0xFF, bytes);
    if (!tainted) continue;
    bool any = false;
    for (std::uint32_t i = 0; i < bytes; ++i) {
      const auto bits = static_cast<std::uint8_t>(undefined[lane * from.bytes + i]);
      defined[i] = static_cast<std::uint8_t>(~bits);
      any = any || bits != 0;
    }
    if (any) {
      LaneBytes undefined_place = to;
      undefined_place.address += index * bytes;
      note_memory_origin(warp, undefined_place, bytes, warp.origin_of(from));
    }
  }
}

Flow run_st(Warp& warp, const Op& op, LaneMask mask) {
  const auto& transfer = *static_cast<const Transfer*>(op.detail);
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, op.operands[0], mask, addresses);
  add_local_base(warp, transfer, addresses);
  LaneBytes lanes[kLanes];
  AccessBytes values;
  gather_values(warp, op, transfer, values);
  const bool changed = resolve(warp, op, mask,
                               {.space = transfer.space,
                                .access = transfer.access,
                                .bytes = transfer.count * transfer.element_bytes,
                                .addresses = addresses,
                                .values = &values,
                                .semantics = transfer.semantics},
                               lanes);
  for (std::uint32_t i = 0; i < transfer.count; ++i) define_element(warp, op, mask, lanes, i);
  if (changed) warp.block().note_progress();
  return Flow::kNext;
}

Flow run_prefetch(Warp&, const Op&, LaneMask) { return Flow::kNext; }

/// Modifiers before the type: order of memory, scope, space, caching, vector.
void read_modifiers(Builder& b, Transfer& transfer, bool write) {
  transfer.access = write ? Access::kWrite : Access::kRead;
  while (b.has_modifiers()) {
    if (const auto order = b.accept_one({"volatile", "relaxed", "mmio", "acquire", "release"})) {
      transfer.access = write ? Access::kStrongWrite : Access::kStrongRead;
      transfer.semantics.acquires = *order == 3;
      transfer.semantics.releases = *order == 4;
    } else if (const auto scope = accept_scope(b)) {
      transfer.semantics.scope = *scope;
    } else if (const auto space = b.accept_space()) {
      transfer.space = *space;
    } else if (const auto vector = b.accept_one({"v2", "v4", "v8"})) {
      transfer.count = 2u << *vector;
    } else if (!write && b.accept("nc")) {
      transfer.access = Access::kReadOnly;
    } else if (!b.accept_one({"weak", "ca", "cg", "cs", "lu", "cv",
                              "wb", "wt", "L1::evict_normal", "L1::evict_unchanged",
                              "L1::evict_first", "L1::evict_last", "L1::no_allocate",
                              "L2::evict_normal", "L2::evict_first", "L2::evict_last",
                              "L2::cache_hint", "L2::64B", "L2::128B", "L2::256B"})) {
      break;
    }
  }
  transfer.type = b.expect_type();
  transfer.element_bytes = ptx::bytes_of(transfer.type);
  if (transfer.element_bytes == 0 || transfer.count * transfer.element_bytes > kMaxAccessBytes) {
    b.fail("Expected a type that memory can hold");
  }
}

OpClass class_of(Space space, bool write) {
  switch (space) {
    case Space::kShared: return write ? OpClass::kSharedStore : OpClass::kSharedLoad;
    case Space::kLocal: return OpClass::kLocal;
    case Space::kConst:
    case Space::kParam: return OpClass::kConstant;
    default: return write ? OpClass::kGlobalStore : OpClass::kGlobalLoad;
  }
}

/// Adds the base of an address; `transfer` learns if it is relative to the frame.
void add_address(Builder& b, Transfer& transfer, const ptx::Operand& operand) {
  const Address address = b.address(operand);
  b.op().immediate = address.offset;
  if (address.symbol == nullptr || address.symbol->kind == SymbolKind::kVariable) {
    b.add(address.base);
    return;
  }
  if (address.symbol->kind == SymbolKind::kLocalVariable) {
    transfer.local_symbol = true;
    b.add(b.constant(address.symbol->value, 8));
    return;
  }
  if (address.symbol->kind == SymbolKind::kKernelParameter) {
    b.add(b.constant(address.symbol->value, 8));
    return;
  }
  b.fail("Expected a variable in memory");
}

void finish_space(Builder& b, const Transfer& transfer, bool write) {
  b.op().op_class = class_of(transfer.space, write);
  b.note_access(transfer.space, transfer.element_bytes);
}

void decode_ld(Builder& b) {
  Transfer& transfer = b.detail<Transfer>();
  read_modifiers(b, transfer, false);
  if (transfer.space == Space::kParam && parameter::is_in_frame(b, b.operand(1))) {
    return parameter::decode_load(b, transfer.type, transfer.count);
  }
  const std::vector<ptx::Operand> results = b.parts_of(b.operand(0));
  if (results.size() != transfer.count) b.fail("Expected as many registers as elements");
  b.op().execute = &run_ld;
  b.op().has_effects = true;  // an undefined guard would hide an access
  for (const ptx::Operand& result : results) b.destination(result, transfer.element_bytes, true);
  b.end_destinations();
  add_address(b, transfer, b.operand(1));
  finish_space(b, transfer, false);
}

void decode_st(Builder& b) {
  Transfer& transfer = b.detail<Transfer>();
  read_modifiers(b, transfer, true);
  if (transfer.space == Space::kParam) {
    return parameter::decode_store(b, transfer.type, transfer.count);
  }
  const std::vector<ptx::Operand> values = b.parts_of(b.operand(1));
  if (values.size() != transfer.count) b.fail("Expected as many registers as elements");
  b.op().execute = &run_st;
  b.op().has_effects = true;
  add_address(b, transfer, b.operand(0));
  for (const ptx::Operand& value : values) b.source(value, transfer.type, true);
  finish_space(b, transfer, true);
}

/// Hints for caches, which are not simulated.
void decode_prefetch(Builder& b) {
  while (b.accept_space() || b.accept_one({"L1", "L2", "L2::evict_last", "L2::evict_normal",
                                           "tensormap"})) {
  }
  b.op().execute = &run_prefetch;
  b.op().op_class = OpClass::kOther;
}

struct NoPolicy : SpreadAll {
  static std::uint64_t value(std::uint64_t none) { return none; }
};

/// createpolicy: a number that caches, which are not simulated, would understand.
void decode_createpolicy(Builder& b) {
  while (b.has_modifiers()) b.accept(b.next_modifier());
  b.op().execute = &map_lanes<NoPolicy, std::uint64_t, std::uint64_t>;
  b.op().op_class = OpClass::kOther;
  b.destination(b.operand(0), 8);
  b.end_destinations();
  b.add(b.constant(0, 8));
}

}  // namespace

std::span<const Entry> memory_instructions() {
  static constexpr Entry kEntries[] = {
      {"ld", decode_ld},
      {"ldu", decode_ld},
      {"st", decode_st},
      {"prefetch", decode_prefetch},
      {"prefetchu", decode_prefetch},
      {"applypriority", decode_prefetch},
      {"discard", decode_prefetch},
      {"createpolicy", decode_createpolicy},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa
