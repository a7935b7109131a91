// A block's shared memory: bytes, which bits of them are defined, and who touched them last.
//
// Two accesses race if they come from different threads, one of them writes, at least one is weak,
// and neither happened before the other by barriers (PTX ISA, "Memory Consistency Model"). Cells of
// the size of the kernel's smallest shared access remember the last writer and reader.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "machine/clock.h"

namespace virtual_gpu {

/// kReadOnly: a read past the caches that writes go through (ld.global.nc).
enum class Access : std::uint8_t {
  kRead, kReadOnly, kWrite, kAtomic, kStrongRead, kStrongWrite,
};

inline bool is_strong(Access access) { return access >= Access::kAtomic; }
inline bool is_write(Access access) {
  return access == Access::kWrite || access == Access::kAtomic || access == Access::kStrongWrite;
}

/// Who accesses, at which time of its warp.
struct Accessor {
  std::uint32_t warp = 0;
  std::uint32_t lane = 0;
  std::uint32_t pc = 0;
  const Clock* clock = nullptr;  // of the warp
};

/// Another access that a new one races with.
struct Conflict {
  bool found = false;
  bool in_flight = false;  // the other is an asynchronous copy that nobody has waited for
  bool other_writes = false;
  std::uint32_t warp = 0;
  std::uint32_t lane = 0;
  std::uint32_t pc = 0;
  std::uint64_t block = 0;  // the other's, in global memory
};

/// A conflict with that access; `lane` may stand for several, of which the first is named.
Conflict conflict_with(std::uint32_t warp, std::uint32_t lane, std::uint32_t pc, bool writes,
                       std::uint64_t block = 0);

class SharedMemory {
 public:
  /// `bytes`: static and dynamic; `cell_bytes`: 1, 2 or 4.
  SharedMemory(std::uint32_t bytes, std::uint32_t cell_bytes);

  std::uint32_t bytes() const { return bytes_; }
  std::byte* data() { return data_.data(); }
  std::uint8_t* defined() { return defined_.data(); }

  /// Records the access to [offset, offset + bytes), which must be inside; the first conflict. A
  /// write of what is there already (`same_value`) does not race with the writes before it.
  Conflict access(Access access, std::uint32_t offset, std::uint32_t bytes, const Accessor& who,
                  bool same_value = false);

  /// A copy will write there: until `land`, every access conflicts. The bytes are undefined now.
  Conflict depart(std::uint32_t offset, std::uint32_t bytes, const Accessor& who);
  /// The copy has arrived: from now on it counts as a write by `who`, at the time of its clock.
  Conflict land(std::uint32_t offset, std::uint32_t bytes, const Accessor& who);

 private:
  static constexpr std::uint8_t kNobody = 0xFF;
  static constexpr std::uint8_t kSeveral = 0xFE;  // lanes of one warp

  struct Touch {
    std::uint32_t time = 0;
    std::uint32_t pc = 0;
    std::uint8_t warp = kNobody;
    std::uint8_t lane = 0;
    bool strong = false;

    Conflict conflict(bool writes) const { return conflict_with(warp, lane, pc, writes); }
  };
  /// Reads of several warps that a writer must know of.
  struct Readers {
    std::uint32_t warps = 0;            // a bit for each that `last` has an entry for
    std::array<Touch, kMaxWarps> last;  // by warp

    void set(const Touch& read) {
      warps |= 1u << read.warp;
      last[read.warp] = read;
    }
  };
  struct Cell {
    Touch write;
    Touch read;                    // the last, when no more than one has to be remembered
    std::uint32_t more_reads = 0;  // index + 1 into reads_ when readers of several warps count
    std::uint16_t in_flight = 0;   // copies on their way here
  };

  static bool ordered(const Touch& before, const Accessor& who);
  Conflict touch(Cell& cell, Access access, const Accessor& who, bool same_value = false);
  void remember_read(Cell& cell, Access access, const Accessor& who);
  static Conflict conflict_with_readers(const Readers& readers, bool strong,
                                        const Accessor& who);
  static Touch merged(const Touch& last, Touch now, const Accessor& who);
  template <typename Fn>
  Conflict each_cell(std::uint32_t offset, std::uint32_t bytes, Fn fn);

  std::uint32_t bytes_;
  std::uint32_t cell_bytes_;
  std::vector<std::byte> data_;
  std::vector<std::uint8_t> defined_;
  std::vector<Cell> cells_;
  std::vector<Readers> reads_;
  std::vector<std::uint32_t> free_reads_;    // indices + 1 into reads_ that no cell uses
};

}  // namespace virtual_gpu
