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
void copy_out(const std::byte* base, std::uint32_t lane, const Place& place, std::uint32_t first,
              std::byte* to) {
  for (std::uint32_t i = 0; i < place.element_bytes; ++i) {
    const std::uint32_t byte = first + i;
    to[i] = base[word_at(place, byte).offset + lane * kWordBytes + byte % kWordBytes];
  }
}

Flow run_load(Warp& warp, const Op& op, LaneMask mask) {
  const auto& place = *static_cast<const Place*>(op.detail);
  for (std::uint32_t index = 0; index < place.count; ++index) {
    const Operand& to = op.operands[index];
    const std::uint32_t first = place.first_byte + index * place.element_bytes;
    std::byte* values = warp.lanes_of<std::byte>(to);
    const std::byte* frame = warp.frame().data.get();
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
      std::uint64_t value = 0;
      copy_out(frame, lane, place, first, reinterpret_cast<std::byte*>(&value));
      if (place.sign_extend && place.element_bytes < 8) {
        const std::uint32_t shift = 64 - 8 * place.element_bytes;
        value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
      }
      std::memcpy(values + lane * to.bytes, &value, to.bytes);
    }
    LaneMask undefined = 0;
    std::uint32_t origin = 0;
    for (std::uint32_t byte = first; byte < first + place.element_bytes; byte += kWordBytes) {
      const Operand word = word_at(place, byte);
      const LaneMask found = warp.undefined_lanes(word, mask);
      if (found != 0) origin = warp.origin_of(word);
      undefined |= found;
    }
    warp.mark_defined(to, mask);
    if (undefined != 0) warp.mark_undefined(to, undefined, origin);
  }
  return Flow::kNext;
}

Flow run_store(Warp& warp, const Op& op, LaneMask mask) {
  const auto& place = *static_cast<const Place*>(op.detail);
  for (std::uint32_t index = 0; index < place.count; ++index) {
    const Operand& from = op.operands[index];
    const std::uint32_t first = place.first_byte + index * place.element_bytes;
    const std::byte* values = warp.lanes_of<std::byte>(from);
    std::byte* frame = warp.frame().data.get();
    for (LaneMask left = mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
      for (std::uint32_t i = 0; i < place.element_bytes; ++i) {
        const std::uint32_t byte = first + i;
        frame[word_at(place, byte).offset + lane * kWordBytes + byte % kWordBytes] =
            values[lane * from.bytes + i];
      }
    }
    const LaneMask undefined = warp.undefined_lanes(from, mask);
    const std::uint32_t origin = undefined != 0 ? warp.origin_of(from) : 0;
    for (std::uint32_t byte = first; byte < first + place.element_bytes; byte += kWordBytes) {
      const Operand word = word_at(place, byte);
      warp.mark_defined(word, mask);
      if (undefined != 0) warp.mark_undefined(word, undefined, origin);
    }
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
