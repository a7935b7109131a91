// What the instructions on matrices share: elements, registers of fragments, whole warps.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "isa/numbers.h"
#include "machine/warp.h"
#include "ptx/types.h"

namespace virtual_gpu::isa {

using ptx::Type;

/// One element's value: floats as they are, integers as numbers that a float or int can hold.
template <typename Number>
Number element(Type type, std::uint64_t bits) {
  switch (type) {
    case Type::kF16: return static_cast<Number>(Half{static_cast<std::uint16_t>(bits)}.value());
    case Type::kBf16: return static_cast<Number>(Brain{static_cast<std::uint16_t>(bits)}.value());
    case Type::kTf32: {
      // The lower 13 bits of the register do not count.
      constexpr std::uint32_t kIgnored = (1u << 13) - 1;
      const auto word = static_cast<std::uint32_t>(bits) & ~kIgnored;
      return static_cast<Number>(std::bit_cast<float>(word));
    }
    case Type::kF32:
      return static_cast<Number>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    case Type::kF64: return static_cast<Number>(std::bit_cast<double>(bits));
    case Type::kS8: return static_cast<Number>(static_cast<std::int8_t>(bits));
    case Type::kU8: return static_cast<Number>(static_cast<std::uint8_t>(bits));
    default: return static_cast<Number>(static_cast<std::int32_t>(bits));
  }
}

/// Bytes of a register of a fragment.
inline std::uint32_t register_bytes(Type type) { return type == Type::kF64 ? 8 : 4; }

/// Faults where a warp is not complete.
inline void require_whole_warp(Warp& warp, const Op& op, LaneMask mask) {
  if (mask == kAllLanes) return;
  warp.fault(HazardKind::kInvalidInstruction, op, kLanes,
             "an instruction of a whole warp, of which only " +
                 std::to_string(std::popcount(mask)) + " threads are alive");
}

}  // namespace virtual_gpu::isa
