#include "machine/hazard.h"

#include <cstdio>

namespace virtual_gpu {
namespace {

std::string triple(const std::uint32_t (&index)[3]) {
  return '(' + std::to_string(index[0]) + ", " + std::to_string(index[1]) + ", " +
         std::to_string(index[2]) + ')';
}

}  // namespace

std::string_view name_of(HazardKind kind) {
  switch (kind) {
    case HazardKind::kOutOfBounds: return "out of bounds";
    case HazardKind::kUseAfterFree: return "use after free";
    case HazardKind::kMisaligned: return "misaligned";
    case HazardKind::kUndefined: return "undefined value";
    case HazardKind::kReadOnly: return "store to read-only memory";
    case HazardKind::kSharedRace: return "shared-memory race";
    case HazardKind::kGlobalRace: return "global-memory race";
    case HazardKind::kBarrierDivergence: return "barrier divergence";
    case HazardKind::kMissingWait: return "missing wait";
    case HazardKind::kHang: return "hang";
    case HazardKind::kTrap: return "trap";
    case HazardKind::kInvalidInstruction: return "invalid use of an instruction";
    case HazardKind::kStackOverflow: return "stack overflow";
  }
  return "hazard";
}

std::string Hazard::report() const {
  std::string text = std::string(name_of(kind)) + " in " + kernel;
  if (line != 0) text += ", PTX line " + std::to_string(line);
  if (!source.empty()) text += " (" + source + ')';
  text += ", block " + triple(block);
  if (has_thread) text += ", thread " + triple(thread);
  if (has_address) {
    char hex[2 * sizeof address + 1];
    std::snprintf(hex, sizeof hex, "%llx", static_cast<unsigned long long>(address));
    text += std::string(", address 0x") + hex;
  }
  return text + ": " + what;
}

}  // namespace virtual_gpu
