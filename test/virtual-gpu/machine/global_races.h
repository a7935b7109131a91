// Races in global memory: two accesses of different threads of a launch, one of them a write, at
// least one weak (or strong in a scope that does not reach the other), and neither before the other
// by barriers, fences and flags (PTX ISA, "Memory Consistency Model"; FastTrack, 2009).
//
// Beside each word lies a cell with its last write and one of the reads since. Of several reads
// that nothing orders one is kept by chance, so a race with another is found under some seeds only.
// Cells of an earlier launch count as empty: launches of one stream are ordered, and those of
// several streams are not compared.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "machine/memory.h"
#include "machine/ordering.h"
#include "machine/shared_memory.h"

namespace virtual_gpu {

/// How an access of global memory is made, and by whom.
struct GlobalAccessor {
  Accessor who;
  std::uint64_t block = 0;
  bool is_write = false;
  bool is_strong = false;
  bool is_read_only = false;     // past the caches: the kernel may not write there at all
  Scope scope = Scope::kDevice;  // of a strong one
  bool keeps_read = false;       // by chance: whether another's read stays in the cell
};

class GlobalRaces {
 public:
  /// `cell_bytes`: the smallest access of the kernel, 1, 2 or 4.
  explicit GlobalRaces(std::uint32_t cell_bytes);

  /// Holds what belongs to the 128 bytes around an address, against the other host threads.
  class Guard {
   public:
    Guard() = default;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { release(); }
    /// Lets go of the segment before, if it is another one.
    void hold(GlobalRaces& races, std::uint64_t address);

   private:
    void release();
    std::atomic_flag* held_ = nullptr;
  };

  /// Records the access to [offset, offset + bytes) of the allocation, which a Guard must hold; the
  /// first conflict. A write of what is there already does not race with the writes before it:
  /// `same(offset, bytes)` says whether a cell is such a case.
  template <typename Same>
  Conflict access(Allocation& allocation, std::uint64_t offset, std::uint32_t bytes,
                  const GlobalAccessor& by, Same same) {
    Cell* cells = cells_of(allocation);
    if (cells == nullptr) return {};
    const std::uint64_t last = (offset + bytes - 1) / cell_bytes_;
    for (std::uint64_t i = offset / cell_bytes_; i <= last; ++i) {
      Conflict conflict = touch(cells[i], by, false);
      if (conflict.found && conflict.other_writes && by.is_write && !by.is_strong &&
          same(i * cell_bytes_, cell_bytes_)) {
        conflict = touch(cells[i], by, true);
      }
      if (conflict.found) return conflict;
    }
    return {};
  }

 private:
  static constexpr std::uint32_t kSeveralLanes = 32;
  static constexpr std::uint32_t kWholeWarp = 33;
  static constexpr std::uint32_t kMaxPc = (1u << 18) - 1;

  struct Touch {
    std::uint32_t launch;  // 0: nobody
    std::uint32_t block;
    std::uint32_t time;    // of the warp
    std::uint32_t pc : 18;
    std::uint32_t warp : 5;
    std::uint32_t lane : 6;
    std::uint32_t strength : 2;  // 0: weak, 1: strong in its block, 2: on the device
  };
  struct Cell {
    Touch write;
    Touch read;
  };
  static_assert(sizeof(Cell) == Allocation::kCellBytes);

  Cell* cells_of(Allocation& allocation) const;
  Touch mine(const GlobalAccessor& by) const;
  bool conflicts(const Touch& before, const GlobalAccessor& by) const;
  Conflict touch(Cell& cell, const GlobalAccessor& by, bool same_value);
  void remember_read(Cell& cell, const GlobalAccessor& by);

  std::uint32_t cell_bytes_;
  std::uint32_t launch_;
  static constexpr std::size_t kLocks = 1024;
  std::array<std::atomic_flag, kLocks> locks_;
};

}  // namespace virtual_gpu
