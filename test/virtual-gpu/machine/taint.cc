// Warp's bookkeeping of undefined bits in registers.
//
// Most registers are defined most of the time, so that each has a flag, and the bits are only
// looked at where it is set.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "machine/block.h"
#include "machine/grid.h"
#include "machine/warp.h"

namespace virtual_gpu {
namespace {

std::size_t bytes_of_register(const Operand& operand) {
  return operand.bytes == 0 ? sizeof(LaneMask) : std::size_t{operand.bytes} * kLanes;
}

}  // namespace

void Warp::spread_taint(const Operand& operand) {
  if (taint(operand) != kUnwritten) return;
  std::byte* bits = undefined_of<std::byte>(operand);
  if (operand.bytes == 0) {
    *undefined_of<LaneMask>(operand) = existing_;
  } else {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      const bool exists = (existing_ >> lane & 1) != 0;
      std::memset(bits + lane * operand.bytes, exists ? 0xFF : 0, operand.bytes);
    }
  }
  taint_[operand.slot] = kTainted;
}

void Warp::clear_taint(const Operand& operand, LaneMask lanes) {
  if ((lanes & existing_) == existing_) {
    taint_[operand.slot] = kClean;
    origins_[operand.slot] = 0;
    return;
  }
  spread_taint(operand);
  std::byte* bits = undefined_of<std::byte>(operand);
  if (operand.bytes == 0) {
    *undefined_of<LaneMask>(operand) &= ~lanes;
  } else {
    for (LaneMask left = lanes; left != 0; left &= left - 1) {
      std::memset(bits + std::countr_zero(left) * operand.bytes, 0, operand.bytes);
    }
  }
  const std::byte* begin = bits;
  const std::byte* end = bits + bytes_of_register(operand);
  if (std::all_of(begin, end, [](std::byte b) { return b == std::byte{0}; })) {
    taint_[operand.slot] = kClean;
    origins_[operand.slot] = 0;
  }
}

void Warp::mark_undefined(const Operand& operand, LaneMask lanes, std::uint32_t origin) {
  if (taint(operand) == kClean) {
    std::memset(undefined_of<std::byte>(operand), 0, bytes_of_register(operand));
  } else {
    spread_taint(operand);
  }
  if (operand.bytes == 0) {
    *undefined_of<LaneMask>(operand) |= lanes;
  } else {
    std::byte* bits = undefined_of<std::byte>(operand);
    for (LaneMask left = lanes; left != 0; left &= left - 1) {
      std::memset(bits + std::countr_zero(left) * operand.bytes, 0xFF, operand.bytes);
    }
  }
  mark_tainted(operand, origin);
}

LaneMask Warp::undefined_lanes(const Operand& operand, LaneMask lanes) {
  if (!tainted(operand)) return 0;
  spread_taint(operand);
  if (operand.bytes == 0) return *undefined_of<LaneMask>(operand) & lanes;
  LaneMask found = 0;
  const std::byte* bits = undefined_of<std::byte>(operand);
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const std::byte* begin = bits + lane * operand.bytes;
    const bool any = std::any_of(begin, begin + operand.bytes,
                                 [](std::byte b) { return b != std::byte{0}; });
    if (any) found |= 1u << lane;
  }
  return found;
}

std::uint32_t Warp::origin_of(const Operand& operand) {
  if (origins_[operand.slot] == 0 && tainted(operand)) {
    const std::string& name = current_->frame->function.slot_names[operand.slot];
    origins_[operand.slot] = block_.grid().add_origin("the register " + name +
                                                      ", to which nothing had been written");
  }
  return origins_[operand.slot];
}

void Warp::check_defined(const Op& op, const Operand& operand, LaneMask lanes, const char* use) {
  const LaneMask found = undefined_lanes(operand, lanes);
  if (found == 0) return;
  fault(HazardKind::kUndefined, op, static_cast<std::uint32_t>(std::countr_zero(found)),
        std::string("an undefined value is used ") + use + "; it comes from " +
            block_.grid().origin(origin_of(operand)));
}

}  // namespace virtual_gpu
