// What the machine finds wrong with a kernel, and the error that ends its launch.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace virtual_gpu {

enum class HazardKind : std::uint8_t {
  kOutOfBounds,
  kUseAfterFree,
  kMisaligned,
  kUndefined,          // an undefined value as an address, a branch, a predicate with effects
  kReadOnly,           // a store to constant memory or parameters
  kSharedRace,
  kGlobalRace,
  kBarrierDivergence,
  kMissingWait,        // an access to the source or destination of a copy in flight
  kHang,
  kTrap,
  kInvalidInstruction, // operands that the ISA leaves undefined: a lane outside its member mask, …
  kStackOverflow,
};

std::string_view name_of(HazardKind kind);

/// Everything that is known of a hazard; `report` is what a user reads.
struct Hazard {
  HazardKind kind = HazardKind::kInvalidInstruction;
  std::string what;              // one sentence
  std::string kernel;
  std::uint32_t line = 0;        // in the PTX text; 0: none
  std::string source;            // "file:line", where the module has line information
  std::uint32_t block[3] = {0, 0, 0};
  std::uint32_t thread[3] = {0, 0, 0};
  std::uint64_t address = 0;
  bool has_thread = false;
  bool has_address = false;

  std::string report() const;
};

/// Ends a launch. Thrown by instructions, caught where blocks are run.
class DeviceFault : public std::runtime_error {
 public:
  explicit DeviceFault(Hazard hazard)
      : std::runtime_error(hazard.report()), hazard_(std::move(hazard)) {}
  const Hazard& hazard() const { return hazard_; }

 private:
  Hazard hazard_;
};

}  // namespace virtual_gpu
