// The architectures that kernels are compiled for; the same for the host and the device.
#pragma once

namespace fusebert::cuda {

inline constexpr int kImageArchitectures[] = {90, 80, 75};

// That of the images that a device of this architecture runs: 86 → 80. Kernels are written for it,
// so their launches are planned for it too.
constexpr int image_architecture(int device) {
  for (const int each : kImageArchitectures) {
    if (each <= device) return each;
  }
  return 0;  // no image runs there
}

}  // namespace fusebert::cuda
