// Vector clocks of a block's warps: what has happened before what (Lamport; FastTrack, 2009).
//
// A warp's own entry counts its synchronizations. An access at time t of warp v is known to have
// happened before warp w goes on if w's clock has more than t for v.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace virtual_gpu {

constexpr std::uint32_t kMaxWarps = 32;  // of a block, by 1,024 threads

struct Clock {
  std::array<std::uint32_t, kMaxWarps> time{};

  void join(const Clock& other) {
    for (std::uint32_t i = 0; i < kMaxWarps; ++i) time[i] = std::max(time[i], other.time[i]);
  }
};

}  // namespace virtual_gpu
