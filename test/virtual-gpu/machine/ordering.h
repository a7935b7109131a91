// What orders threads besides barriers: a word that one writes and another reads, with fences or
// with .release and .acquire (PTX ISA, "Memory Consistency Model", release and acquire patterns).
//
// A fence takes a snapshot of what its warp knows. A strong write after it leaves the snapshot
// beside the word; who reads the word strongly takes it along and knows it after its own next
// fence. Operations with .release and .acquire do the same without fences. An atomic operation adds
// to the snapshots that are there (a release sequence), a plain write replaces them.
//
// Knowledge is kept for warps, not for lanes: a fence of one lane counts for all lanes of its warp,
// so some races between the lanes of a warp and another block go unseen; none is invented.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "machine/clock.h"

namespace virtual_gpu {

/// Whom a strong access or a fence reaches. A cluster is one block here, the system one device.
enum class Scope : std::uint8_t { kBlock, kDevice };
constexpr std::size_t kScopes = 2;

/// The memory semantics of a strong access.
struct Semantics {
  Scope scope = Scope::kDevice;
  bool acquires = false;
  bool releases = false;
};

/// The snapshots beside words of memory, by address.
class ReleasedWords {
 public:
  /// The words from `first` on, `step` bytes apart, that begin before `end`; generic addresses.
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint32_t step = 4;
  };

  /// `keeps`: the write is one of an atomic operation.
  void write(const Range& words, const Knowledge& what, bool keeps);
  Knowledge read(const Range& words) const;

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> used_ = false;
  std::unordered_map<std::uint64_t, Knowledge> words_;
};

class Ordering {
 public:
  /// `device`: the words that all blocks of the launch see.
  Ordering(ReleasedWords& device, std::uint64_t block, std::size_t warps)
      : words_{&block_words_, &device}, block_(block), warps_(warps) {}
  Ordering(const Ordering&) = delete;
  Ordering& operator=(const Ordering&) = delete;

  void fence(std::uint32_t warp, Clock& clock, Scope scope);
  /// With a strong write, once it has its time on the warp's clock.
  void write(std::uint32_t warp, Clock& clock, const ReleasedWords::Range& words,
             const Semantics& semantics, bool atomic);
  /// After a strong read.
  void read(std::uint32_t warp, Clock& clock, const ReleasedWords::Range& words,
            const Semantics& semantics);

 private:
  struct WarpState {
    std::array<Knowledge, kScopes> released;  // at the last fence
    std::array<Knowledge, kScopes> seen;      // beside words read since the last fence
  };

  ReleasedWords block_words_;
  std::array<ReleasedWords*, kScopes> words_;
  std::uint64_t block_;
  std::vector<WarpState> warps_;
};

}  // namespace virtual_gpu
