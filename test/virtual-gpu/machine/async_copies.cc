#include "machine/async_copies.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "machine/access.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu {

AsyncCopies::Thread& AsyncCopies::thread_of(Warp& warp, std::uint32_t lane) {
  return threads_[warp.thread_of(lane)];
}

void AsyncCopies::start(Warp& warp, const Op& op, std::uint32_t lane, AsyncCopy copy) {
  Thread& thread = thread_of(warp, lane);
  Block& block = warp.block();
  copy.group = thread.group;
  copy.number = thread.started++;
  copy.pc = warp.pc();
  if (copy.source_bytes != 0) {
    const Allocation* source = block.find_allocation(copy.from);
    if (source == nullptr || source->freed) {
      warp.fault(HazardKind::kUseAfterFree, op, lane,
                 "the source of an asynchronous copy was freed as it started", &copy.from);
    }
    std::memcpy(copy.seen.data(), source->data + (copy.from - source->address),
                copy.source_bytes);
  }
  const Conflict conflict = block.shared().depart(copy.to, copy.bytes, accessor_of(warp, lane));
  if (conflict.found) {
    fault_conflict(warp, op, lane, copy.to + kSharedBase, conflict, true);
  }
  thread.copies.push_back(copy);
}

void AsyncCopies::commit(Warp& warp, std::uint32_t lane) { ++thread_of(warp, lane).group; }

void AsyncCopies::wait(Warp& warp, const Op& op, std::uint32_t lane, std::uint32_t latest,
                       bool all) {
  Thread& thread = thread_of(warp, lane);
  // Groups below `limit` have to be complete.
  const std::uint32_t limit = all                     ? thread.group + 1
                              : thread.group > latest ? thread.group - latest
                                                      : 0;
  land_while(warp, op, accessor_of(warp, lane),
             [&](const AsyncCopy& copy) { return copy.group < limit; });
}

void AsyncCopies::wait_for_first(Warp& warp, const Op& op, std::uint32_t lane,
                                 std::uint64_t count, const Clock& when) {
  Accessor who = accessor_of(warp, lane);
  who.clock = &when;
  land_while(warp, op, who, [&](const AsyncCopy& copy) { return copy.number < count; });
}

template <typename Pred>
void AsyncCopies::land_while(Warp& warp, const Op& op, const Accessor& who, Pred pred) {
  std::vector<AsyncCopy>& copies = thread_of(warp, who.lane).copies;
  const auto end = std::find_if_not(copies.begin(), copies.end(), pred);
  for (auto each = copies.begin(); each != end; ++each) land(warp, op, who, *each);
  copies.erase(copies.begin(), end);
}

void AsyncCopies::land(Warp& warp, const Op& op, const Accessor& who, const AsyncCopy& copy) {
  const std::uint32_t lane = who.lane;
  Block& block = warp.block();
  SharedMemory& shared = block.shared();
  const Op& started = block.grid().program().ops[copy.pc];
  const std::uint64_t address = copy.to + kSharedBase;
  const Conflict conflict = shared.land(copy.to, copy.bytes, who);
  if (conflict.found) fault_conflict(warp, op, lane, address, conflict, true);
  std::byte* to = shared.data() + copy.to;
  std::memset(to, 0, copy.bytes);
  std::memset(shared.defined() + copy.to, 0xFF, copy.bytes);
  if (copy.source_bytes != 0) {
    const Allocation* source = block.find_allocation(copy.from);
    if (source == nullptr || source->freed) {
      warp.fault(HazardKind::kUseAfterFree, started, lane,
                 "the source of an asynchronous copy was freed before it arrived", &copy.from);
    }
    const std::uint64_t offset = copy.from - source->address;
    if (std::memcmp(copy.seen.data(), source->data + offset, copy.source_bytes) != 0) {
      warp.fault(HazardKind::kMissingWait, started, lane,
                 "the source of an asynchronous copy was written before it arrived", &copy.from);
    }
    std::memcpy(to, copy.seen.data(), copy.source_bytes);
    if (source->defined != nullptr) {
      std::memcpy(shared.defined() + copy.to, source->defined + offset, copy.source_bytes);
    }
  }
  block.note_progress();
}

}  // namespace virtual_gpu
