// Parameters and results of functions: words of four bytes in the frame's registers, so that each
// lane has its own and undefined bits are followed through calls.
#include <bit>
#include <cstring>

#include "isa/lanes.h"
#include "isa/memory.h"

namespace virtual_gpu::isa::parameter {
namespace {

constexpr std::uint32_t kWordBytes = 4;

struct Place : Detail {
  std::uint32_t first_byte = 0;      // in the parameter
  std::uint32_t element_bytes = 4;
  std::uint32_t count = 1;
  bool sign_extend = false;
  Operand words;                     // the parameter's first word
};

Operand word_at(const Place& place, std::uint32_t byte) {
  Operand word = place.words;
  word.offset += byte / kWordBytes * kWordBytes * kLanes;
  word.slot += byte / kWordBytes;
  return word;
}

/// Bytes of one lane, of values or of undefined bits.
std::uint64_t read_bytes(const std::byte* base, std::uint32_t lane, const Place& place,
                         std::uint32_t first) {
  std::uint64_t value = 0;
  for (std::uint32_t i = 0; i < place.element_bytes; ++i) {
    const std::uint32_t at = word_at(place, first + i).offset + lane * kWordBytes +
                             (first + i) % kWordBytes;
    value |= static_cast<std::uint64_t>(base[at]) << (8 * i);
  }
  return value;
}

void write_bytes(std::byte* base, std::uint32_t lane, const Place& place, std::uint32_t first,
                 const std::byte* from) {
  for (std::uint32_t i = 0; i < place.element_bytes; ++i) {
    const std::uint32_t at = word_at(place, first + i).offset + lane * kWordBytes +
                             (first + i) % kWordBytes;
    base[at] = from[i];
  }
}

std::uint64_t extended(const Place& place, std::uint64_t value) {
  if (!place.sign_extend || place.element_bytes == 8) return value;
  const std::uint32_t shift = 64 - 8 * place.element_bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

/// Calls `visit` for each word that an element has bytes in.
template <typename Visit>
void each_word(const Place& place, std::uint32_t first, Visit visit) {
  const std::uint32_t last = (first + place.element_bytes - 1) / kWordBytes;
  for (std::uint32_t word = first / kWordBytes; word <= last; ++word) {
    visit(word_at(place, word * kWordBytes));
  }
}

template <typename T>
void load_element(Warp& warp, const Place& place, std::uint32_t first, const Operand& to,
                  LaneMask mask) {
  T values[kLanes] = {};
  T undefined[kLanes] = {};
  std::uint32_t origin = 0;
  each_word(place, first, [&](const Operand& word) {
    if (!warp.tainted(word)) return;
    warp.spread_taint(word);
    origin = warp.origin_of(word);
  });
  // Words without taint have no bits that were looked after.
  std::uint64_t clean_bytes = 0;
  for (std::uint32_t i = 0; i < place.element_bytes; ++i) {
    if (!warp.tainted(word_at(place, first + i))) clean_bytes |= std::uint64_t{0xFF} << (8 * i);
  }
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const std::uint64_t value = read_bytes(warp.frame().data.get(), lane, place, first);
    values[lane] = static_cast<T>(extended(place, value));
    if (origin == 0) continue;
    const std::uint64_t bits = read_bytes(warp.frame().undefined.get(), lane, place, first);
    undefined[lane] = static_cast<T>(extended(place, bits & ~clean_bytes));
  }
  write_lanes(warp, to, mask, values);
  if (origin == 0) warp.mark_defined(to, mask);
  else write_undefined(warp, to, mask, undefined, origin);
}

Flow run_load(Warp& warp, const Op& op, LaneMask mask) {
  const auto& place = *static_cast<const Place*>(op.detail);
  for (std::uint32_t index = 0; index < place.count; ++index) {
    const Operand& to = op.operands[index];
    const std::uint32_t first = place.first_byte + index * place.element_bytes;
    switch (to.bytes) {
      case 1: load_element<std::uint8_t>(warp, place, first, to, mask); break;
      case 2: load_element<std::uint16_t>(warp, place, first, to, mask); break;
      case 4: load_element<std::uint32_t>(warp, place, first, to, mask); break;
      default: load_element<std::uint64_t>(warp, place, first, to, mask);
    }
  }
  return Flow::kNext;
}

Flow run_store(Warp& warp, const Op& op, LaneMask mask) {
  static constexpr std::byte kDefined[sizeof(std::uint64_t)] = {};
  const auto& place = *static_cast<const Place*>(op.detail);
  for (std::uint32_t index = 0; index < place.count; ++index) {
    const Operand& from = op.operands[index];
    const std::uint32_t first = place.first_byte + index * place.element_bytes;
    const bool tainted = warp.tainted(from);
    if (tainted) warp.spread_taint(from);
    const std::uint32_t origin = tainted ? warp.origin_of(from) : 0;
    const std::byte* values = warp.lanes_of<std::byte>(from);
    const std::byte* bits = tainted ? warp.undefined_of<std::byte>(from) : nullptr;
    each_word(place, first, [&](const Operand& word) {
      if (warp.tainted(word)) warp.spread_taint(word);
      else std::memset(warp.undefined_of<std::byte>(word), 0, kWordBytes * kLanes);
    });
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
      const std::uint32_t at = lane * from.bytes;
      write_bytes(warp.frame().data.get(), lane, place, first, values + at);
      write_bytes(warp.frame().undefined.get(), lane, place, first,
                  bits == nullptr ? kDefined : bits + at);
    }
    each_word(place, first, [&](const Operand& word) {
      if (tainted) warp.mark_tainted(word, origin);
      // Looks whether any undefined bit is left.
      warp.mark_defined(word, 0);
    });
  }
  return Flow::kNext;
}

Place& read_place(Builder& b, const ptx::Operand& operand, ptx::Type type, std::uint32_t count) {
  const Address address = b.address(operand);
  if (address.symbol == nullptr || address.symbol->kind != SymbolKind::kFrameParameter) {
    b.fail("Expected a parameter of a function");
  }
  Place& place = b.detail<Place>();
  place.words = address.symbol->operand;
  place.first_byte = static_cast<std::uint32_t>(address.offset);
  place.element_bytes = ptx::bytes_of(type);
  place.count = count;
  place.sign_extend = ptx::is_signed(type);
  const std::int64_t end = address.offset + std::int64_t{place.element_bytes} * count;
  if (address.offset < 0 || end > address.symbol->bytes) {
    b.fail("Expected an offset inside the parameter");
  }
  return place;
}

}  // namespace

bool is_in_frame(const Builder& builder, const ptx::Operand& address) {
  if (address.kind != ptx::OperandKind::kAddress || address.parts.empty()) return false;
  const Symbol* symbol = builder.find_symbol(address.parts[0].name);
  return symbol != nullptr && symbol->kind == SymbolKind::kFrameParameter;
}

void decode_load(Builder& b, ptx::Type type, std::uint32_t count) {
  read_place(b, b.operand(1), type, count);
  b.op().execute = &run_load;
  b.op().op_class = OpClass::kMove;
  for (const ptx::Operand& result : b.parts_of(b.operand(0))) {
    b.destination(result, ptx::bytes_of(type), true);
  }
  b.end_destinations();
}

void decode_store(Builder& b, ptx::Type type, std::uint32_t count) {
  read_place(b, b.operand(0), type, count);
  b.op().execute = &run_store;
  b.op().op_class = OpClass::kMove;
  b.op().has_effects = true;
  for (const ptx::Operand& value : b.parts_of(b.operand(1))) b.source(value, type, true);
}

}  // namespace virtual_gpu::isa::parameter
