// Vector clocks of a block's warps: what has happened before what (Lamport; FastTrack, 2009).
//
// A warp's own entry counts its synchronizations. An access at time t of warp v is known to have
// happened before warp w goes on if w's clock has more than t for v. Of other blocks a clock knows
// nothing at first; fences and flags bring their times along (ordering.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

namespace virtual_gpu {

constexpr std::uint32_t kMaxWarps = 32;  // of a block, by 1,024 threads

/// By warp of a block: everything before that time of it has happened.
using BlockTimes = std::array<std::uint32_t, kMaxWarps>;
/// By block's number. Shared by all who know the same, so it is never changed.
using Knowledge = std::shared_ptr<const std::map<std::uint64_t, BlockTimes>>;

/// What either knows; null is nothing.
Knowledge joined(const Knowledge& one, const Knowledge& other);

struct Clock {
  BlockTimes time{};   // of the block's own warps
  Knowledge others;    // of other blocks
  std::uint32_t warp = kMaxWarps;  // whose clock it is; kMaxWarps: a barrier's
  /// Of that warp: lanes know what their neighbours did before this time, and no more.
  std::uint32_t together = 0;

  void join(const Clock& other);
  /// What the warp did so far is before what it does from now on.
  void advance() { ++time[warp]; }
  /// The lanes of the warp have waited for each other.
  void synchronize_lanes() { together = ++time[warp]; }
  /// Whether what a warp of the same block did at `when`, in another lane, has happened before.
  bool knows(std::uint32_t other_warp, std::uint32_t when) const {
    return when < (other_warp == warp ? together : time[other_warp]);
  }
  /// Everything this clock knows, for whoever it is told to; `block` is its block.
  Knowledge all(std::uint64_t block) const;
  /// Takes up what another block's or this one's warp knew.
  void learn(const Knowledge& what, std::uint64_t block);
  /// Whether what a warp of another block did at `when` has happened before.
  bool knows(std::uint64_t other_block, std::uint32_t other_warp, std::uint32_t when) const;

 private:
  void take(const BlockTimes& times);
};

}  // namespace virtual_gpu
