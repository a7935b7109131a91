#include "machine/shared_memory.h"

#include <bit>
#include <cstring>

#include "program/op.h"

namespace virtual_gpu {

Conflict conflict_with(std::uint32_t warp, std::uint32_t lane, std::uint32_t pc, bool writes,
                       std::uint64_t block) {
  return {.found = true,
          .in_flight = false,
          .other_writes = writes,
          .warp = warp,
          .lane = lane < kLanes ? lane : 0u,
          .pc = pc,
          .block = block};
}

SharedMemory::SharedMemory(std::uint32_t bytes, std::uint32_t cell_bytes)
    : bytes_(bytes),
      cell_bytes_(cell_bytes),
      data_(bytes),
      defined_(bytes, 0),
      cells_((bytes + cell_bytes - 1) / cell_bytes) {}

bool SharedMemory::ordered(const Touch& before, const Accessor& who) {
  if (before.warp == kNobody) return true;
  if (before.warp == who.warp && before.lane == who.lane) {
    // The same lanes move the same parts of a matrix in one instruction; between two nobody knows.
    if (who.lane < kLanes || before.pc == who.pc) return true;
  }
  return who.clock->knows(before.warp, before.time);
}

/// Of two reads by one warp: the later stands for both. Where nothing ordered their lanes, it is
/// of no lane in particular, so that a write of either lane conflicts with it.
SharedMemory::Touch SharedMemory::merged(const Touch& last, Touch now, const Accessor& who) {
  if (last.warp != now.warp) return now;
  const bool apart = last.lane != now.lane && (last.time == now.time || !ordered(last, who));
  if (apart) now.lane = kSeveral;
  if (apart || last.time == now.time) now.strong = now.strong && last.strong;
  return now;
}

void SharedMemory::remember_read(Cell& cell, Access access, const Accessor& who) {
  const Touch mine{who.clock->time[who.warp], who.pc, static_cast<std::uint8_t>(who.warp),
                   static_cast<std::uint8_t>(who.lane), is_strong(access)};
  if (cell.more_reads != 0) {
    Readers& readers = reads_[cell.more_reads - 1];
    const bool first = (readers.warps >> who.warp & 1) == 0;
    readers.set(first ? mine : merged(readers.last[who.warp], mine, who));
    return;
  }
  if (cell.read.warp == mine.warp) {
    cell.read = merged(cell.read, mine, who);
    return;
  }
  if (ordered(cell.read, who)) {
    cell.read = mine;
    return;
  }
  if (free_reads_.empty()) {
    reads_.emplace_back();
    free_reads_.push_back(static_cast<std::uint32_t>(reads_.size()));
  }
  cell.more_reads = free_reads_.back();
  free_reads_.pop_back();
  Readers& readers = reads_[cell.more_reads - 1];
  readers.warps = 0;
  readers.set(cell.read);
  readers.set(mine);
}

Conflict SharedMemory::conflict_with_readers(const Readers& readers, bool strong,
                                             const Accessor& who) {
  for (std::uint32_t left = readers.warps; left != 0; left &= left - 1) {
    const Touch& read = readers.last[static_cast<std::uint32_t>(std::countr_zero(left))];
    if (!ordered(read, who) && !(strong && read.strong)) return read.conflict(false);
  }
  return {};
}

Conflict SharedMemory::touch(Cell& cell, Access access, const Accessor& who, bool same_value) {
  if (cell.in_flight != 0) {
    Conflict conflict = cell.write.conflict(true);
    conflict.in_flight = true;
    return conflict;
  }
  const bool strong = is_strong(access);
  if (!same_value && !ordered(cell.write, who) && !(strong && cell.write.strong)) {
    return cell.write.conflict(true);
  }
  if (!is_write(access)) {
    remember_read(cell, access, who);
    return {};
  }
  if (cell.more_reads != 0) {
    const Conflict conflict =
        conflict_with_readers(reads_[cell.more_reads - 1], strong, who);
    if (conflict.found) return conflict;
    free_reads_.push_back(cell.more_reads);
    cell.more_reads = 0;
  } else if (!ordered(cell.read, who) && !(strong && cell.read.strong)) {
    return cell.read.conflict(false);
  }
  cell.read = {};
  cell.write = {who.clock->time[who.warp], who.pc, static_cast<std::uint8_t>(who.warp),
                static_cast<std::uint8_t>(who.lane), strong};
  return {};
}

template <typename Fn>
Conflict SharedMemory::each_cell(std::uint32_t offset, std::uint32_t bytes, Fn fn) {
  const std::uint32_t last = (offset + bytes - 1) / cell_bytes_;
  for (std::uint32_t i = offset / cell_bytes_; i <= last; ++i) {
    const Conflict conflict = fn(cells_[i]);
    if (conflict.found) return conflict;
  }
  return {};
}

Conflict SharedMemory::access(Access access, std::uint32_t offset, std::uint32_t bytes,
                              const Accessor& who, bool same_value) {
  return each_cell(offset, bytes,
                   [&](Cell& cell) { return touch(cell, access, who, same_value); });
}

Conflict SharedMemory::depart(std::uint32_t offset, std::uint32_t bytes, const Accessor& who) {
  constexpr std::byte kPoison{0xA5};
  const Conflict conflict = each_cell(offset, bytes, [&](Cell& cell) {
    const Conflict found = touch(cell, Access::kWrite, who);
    if (!found.found) ++cell.in_flight;
    return found;
  });
  std::memset(data_.data() + offset, static_cast<int>(kPoison), bytes);
  std::memset(defined_.data() + offset, 0, bytes);
  return conflict;
}

Conflict SharedMemory::land(std::uint32_t offset, std::uint32_t bytes, const Accessor& who) {
  return each_cell(offset, bytes, [&](Cell& cell) {
    --cell.in_flight;
    return touch(cell, Access::kWrite, who);
  });
}

}  // namespace virtual_gpu
