// What depends on the driver's version, which a fault may set (driver/faults.h).
#pragma once

#include <cstdint>

namespace virtual_gpu {

/// 12080 for CUDA 12.8.
int driver_version();

struct PtxVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;

  auto operator<=>(const PtxVersion&) const = default;
};

/// The newest PTX that a driver of that version takes.
PtxVersion newest_ptx(int driver_version);

}  // namespace virtual_gpu
