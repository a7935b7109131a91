#include "machine/access.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "machine/block.h"
#include "machine/grid.h"
#include "machine/traffic.h"

namespace virtual_gpu {
namespace {

using ptx::Space;

std::string bytes_at(std::uint32_t bytes) { return std::to_string(bytes) + " bytes"; }

/// Which space a generic address lies in (PTX ISA, "Generic Addressing").
Space space_of(std::uint64_t address) {
  switch (address / kWindowSize) {
    case kSharedWindow / kWindowSize: return Space::kShared;
    case kLocalWindow / kWindowSize: return Space::kLocal;
    case kParamWindow / kWindowSize: return Space::kParam;
    default: return Space::kGlobal;
  }
}

[[noreturn]] void fault_global(Warp& warp, const Op& op, std::uint32_t lane, std::uint64_t address,
                               std::uint32_t bytes) {
  Memory& memory = warp.block().grid().memory();
  const Allocation* found = memory.find(address);
  const Allocation* near = found != nullptr ? found : memory.nearest(address);
  HazardKind kind = HazardKind::kOutOfBounds;
  std::string what = bytes_at(bytes) + " of global memory that nothing was allocated at";
  if (near != nullptr) {
    const bool behind = address >= near->address;
    if (found != nullptr && found->freed) {
      kind = HazardKind::kUseAfterFree;
      what = bytes_at(bytes) + " of " + near->label + ", which has been freed";
    } else {
      const std::uint64_t distance = behind ? address - near->address : near->address - address;
      what = bytes_at(bytes) + ' ' + std::to_string(distance) + " bytes " +
             (behind ? "after" : "before") + " the beginning of " + near->label + ", which has " +
             std::to_string(near->bytes);
    }
  }
  warp.fault(kind, op, lane, what, &address);
}

/// The cells that an access touches, as Ordering names them.
ReleasedWords::Range words_of(Warp& warp, Space space, std::uint64_t address,
                              std::uint32_t bytes) {
  const Program& program = warp.block().grid().program();
  const std::uint32_t cell = space == Space::kShared ? program.shared_cell_bytes
                                                     : program.global_cell_bytes;
  const std::uint64_t base = space == Space::kShared ? kSharedWindow : 0;
  return {.first = base + address / cell * cell, .end = base + address + bytes, .step = cell};
}

/// Nobody outside the block sees its shared memory.
Semantics reaching(Space space, Semantics semantics) {
  if (space == Space::kShared) semantics.scope = Scope::kBlock;
  return semantics;
}

/// Who made the other access, and where in the program.
std::string thread_and_line(Warp& warp, const Conflict& conflict) {
  const Program& program = warp.block().grid().program();
  std::uint32_t other[3];
  warp.block().thread_index(conflict.warp * kLanes + conflict.lane, other);
  return "thread (" + std::to_string(other[0]) + ", " + std::to_string(other[1]) + ", " +
         std::to_string(other[2]) + ") at PTX line " +
         std::to_string(program.ops[conflict.pc].line);
}

/// With a strong write: what the thread knows is told to who reads it, see Ordering. `address` is
/// generic. Every cell is a word of its own, so that accesses of several sizes meet.
void publish(Warp& warp, const AccessRequest& request, Space space, std::uint64_t address) {
  if (!is_strong(request.access)) return;
  Block& block = warp.block();
  block.ordering().write(warp.index(), block.clock(warp),
                         words_of(warp, space, address, request.bytes),
                         reaching(space, request.semantics),
                         request.access == Access::kAtomic);
}

[[noreturn]] void fault_global_race(Warp& warp, const Op& op, std::uint32_t lane,
                                    std::uint64_t address, const Conflict& conflict, bool writes) {
  const std::uint32_t* grid = warp.block().grid().shape().grid;
  const auto in_row = conflict.block / grid[0];
  const std::string block = std::to_string(conflict.block % grid[0]) + ", " +
                            std::to_string(in_row % grid[1]) + ", " +
                            std::to_string(in_row / grid[1]);
  warp.fault(HazardKind::kGlobalRace, op, lane,
             std::string(writes ? "a write" : "a read") +
                 " that no barrier, fence or flag orders with a " +
                 (conflict.other_writes ? "write" : "read") + " of " +
                 thread_and_line(warp, conflict) + " of block (" + block + ')',
             &address);
}

/// Moves the bytes of a load or a store; true if a store changed any.
bool transfer(const AccessRequest& request, std::uint32_t lane, const LaneBytes& place) {
  if (request.loaded != nullptr) {
    std::memcpy((*request.loaded)[lane], place.data, request.bytes);
  }
  if (request.values == nullptr) return false;
  const bool changed = std::memcmp(place.data, (*request.values)[lane], request.bytes) != 0;
  std::memcpy(place.data, (*request.values)[lane], request.bytes);
  return changed;
}

/// How GlobalRaces is to see an access.
GlobalAccessor accessor_for(Warp& warp, const AccessRequest& request, std::uint32_t lane,
                            bool writes) {
  return {.who = accessor_of(warp, request.collective ? kCollectiveLane : lane),
          .block = warp.block().number(),
          .is_write = writes,
          .is_strong = is_strong(request.access),
          .is_read_only = request.access == Access::kReadOnly,
          .scope = request.semantics.scope,
          .keeps_read = (warp.block().random() & 1) != 0};
}

/// One lane's access of global memory: looked at by GlobalRaces, told to others, done. True if it
/// changed anything.
bool touch_global(Warp& warp, const Op& op, const AccessRequest& request, std::uint32_t lane,
                  Allocation& allocation, const LaneBytes& place) {
  GlobalRaces& races = warp.block().grid().races();
  const std::uint64_t offset = place.address - allocation.address;
  GlobalRaces::Guard guard;
  guard.hold(races, place.address);
  // The same where it is there already, from whomever.
  const auto same = [&](std::uint64_t cell, std::uint32_t bytes) {
    if (request.values == nullptr) return false;
    const std::uint64_t first = std::max(cell, offset);
    const std::uint64_t end = std::min(cell + bytes, offset + request.bytes);
    return std::memcmp(allocation.data + first, (*request.values)[lane] + (first - offset),
                       end - first) == 0;
  };
  const auto record = [&](bool writes) {
    const GlobalAccessor by = accessor_for(warp, request, lane, writes);
    const Conflict conflict = races.access(allocation, offset, request.bytes, by, same);
    if (conflict.found) fault_global_race(warp, op, lane, place.address, conflict, writes);
    if (writes) publish(warp, request, Space::kGlobal, place.address);
  };
  if (request.exchange != nullptr) {
    const bool wrote = request.exchange->run(lane, place);
    record(wrote);
    return wrote;
  }
  record(is_write(request.access));
  return transfer(request, lane, place);
}

bool resolve_global(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                    LaneBytes (&lanes)[kLanes]) {
  Allocation* allocation = nullptr;
  bool changed = false;
  for (std::uint32_t turn = 0; turn < kLanes; ++turn) {
    const std::uint32_t lane = (request.first + turn) % kLanes;
    if ((mask >> lane & 1) == 0) continue;
    const std::uint64_t address = request.addresses[lane];
    const bool inside = allocation != nullptr && address >= allocation->address &&
                        address < allocation->end();
    if (!inside) {
      allocation = warp.block().find_allocation(address);
      if (allocation == nullptr || allocation->freed) {
        fault_global(warp, op, lane, address, request.bytes);
      }
    }
    if (address + request.bytes > allocation->end()) {
      fault_global(warp, op, lane, address, request.bytes);
    }
    if (is_write(request.access) && allocation->kind == MemoryKind::kConstant) {
      warp.fault(HazardKind::kReadOnly, op, lane, "a store to " + allocation->label, &address);
    }
    const std::uint64_t offset = address - allocation->address;
    lanes[lane] = {.data = allocation->data + offset,
                   .defined = allocation->defined == nullptr ? nullptr
                                                             : allocation->defined + offset,
                   .space = Space::kGlobal,
                   .address = address};
    changed = touch_global(warp, op, request, lane, *allocation, lanes[lane]) || changed;
  }
  return changed;
}

/// One lane's access of shared memory. True if it may have changed anything.
bool touch_shared(Warp& warp, const Op& op, const AccessRequest& request, std::uint32_t lane,
                  const LaneBytes& place) {
  SharedMemory& shared = warp.block().shared();
  const Accessor who = accessor_of(warp, request.collective ? kCollectiveLane : lane);
  const auto offset = static_cast<std::uint32_t>(place.address);
  const auto record = [&](Access access) {
    Conflict conflict = shared.access(access, offset, request.bytes, who);
    const bool writes_twice = conflict.found && conflict.other_writes && !conflict.in_flight;
    if (writes_twice && request.values != nullptr &&
        std::memcmp((*request.values)[lane], place.data, request.bytes) == 0) {
      conflict = shared.access(access, offset, request.bytes, who, true);
    }
    if (conflict.found) {
      fault_conflict(warp, op, lane, request.addresses[lane], conflict, is_write(access));
    }
    if (is_write(access)) publish(warp, request, Space::kShared, place.address);
  };
  if (request.exchange != nullptr) {
    const bool wrote = request.exchange->run(lane, place);
    record(wrote ? Access::kAtomic : Access::kStrongRead);
    return wrote;
  }
  record(request.access);
  transfer(request, lane, place);
  return is_write(request.access);
}

bool resolve_shared(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                    std::uint64_t window, LaneBytes (&lanes)[kLanes]) {
  SharedMemory& shared = warp.block().shared();
  std::uint64_t offsets[kLanes];
  bool changed = false;
  for (std::uint32_t turn = 0; turn < kLanes; ++turn) {
    const std::uint32_t lane = (request.first + turn) % kLanes;
    if ((mask >> lane & 1) == 0) continue;
    const std::uint64_t address = request.addresses[lane];
    const std::uint64_t offset = address - window - kSharedBase;
    if (address - window < kSharedBase || offset + request.bytes > shared.bytes()) {
      warp.fault(HazardKind::kOutOfBounds, op, lane,
                 bytes_at(request.bytes) + " at offset " +
                     std::to_string(static_cast<std::int64_t>(offset)) +
                     " of shared memory, of which the block has " + bytes_at(shared.bytes()),
                 &address);
    }
    offsets[lane] = offset;
    lanes[lane] = {.data = shared.data() + offset,
                   .defined = shared.defined() + offset,
                   .space = Space::kShared,
                   .address = offset};
    changed = touch_shared(warp, op, request, lane, lanes[lane]) || changed;
  }
  if (request.counted) {
    OpCounter& counter = warp.block().counters().at(warp.pc());
    count_wavefronts(counter, mask, offsets, request.bytes);
    counter.bytes += static_cast<std::uint64_t>(std::popcount(mask)) * request.bytes;
  }
  return changed;
}

bool resolve_local(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                   std::uint64_t window, LaneBytes (&lanes)[kLanes]) {
  Block& block = warp.block();
  const std::uint32_t size = block.grid().program().local_bytes;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const std::uint64_t offset = request.addresses[lane] - window;
    if (offset + request.bytes > size) {
      warp.fault(HazardKind::kOutOfBounds, op, lane,
                 bytes_at(request.bytes) + " at offset " + std::to_string(offset) +
                     " of local memory, of which the thread has " + bytes_at(size),
                 &request.addresses[lane]);
    }
    const std::uint32_t thread = warp.thread_of(lane);
    lanes[lane] = {.data = block.local(thread) + offset,
                   .defined = block.local_defined(thread) + offset,
                   .space = Space::kLocal,
                   .address = offset};
    transfer(request, lane, lanes[lane]);
  }
  return false;
}

bool resolve_param(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                   std::uint64_t window, LaneBytes (&lanes)[kLanes]) {
  const std::vector<std::byte>& parameters = warp.block().grid().parameters();
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    const std::uint64_t offset = request.addresses[lane] - window;
    if (is_write(request.access)) {
      warp.fault(HazardKind::kReadOnly, op, lane, "a store to the kernel's parameters",
                 &request.addresses[lane]);
    }
    if (offset + request.bytes > parameters.size()) {
      warp.fault(HazardKind::kOutOfBounds, op, lane,
                 bytes_at(request.bytes) + " at offset " + std::to_string(offset) + " of " +
                     bytes_at(static_cast<std::uint32_t>(parameters.size())) + " of parameters",
                 &request.addresses[lane]);
    }
    lanes[lane] = {.data = const_cast<std::byte*>(parameters.data()) + offset,
                   .defined = nullptr,
                   .space = Space::kParam,
                   .address = offset};
    transfer(request, lane, lanes[lane]);
  }
  return false;
}

void check_alignment(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request) {
  if (!request.aligned || !std::has_single_bit(request.bytes)) return;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
    if (request.addresses[lane] % request.bytes == 0) continue;
    warp.fault(HazardKind::kMisaligned, op, lane,
               "an access of " + bytes_at(request.bytes) + " that is not aligned to them",
               &request.addresses[lane]);
  }
}

bool resolve_in(Space space, Warp& warp, const Op& op, LaneMask mask,
                const AccessRequest& request, LaneBytes (&lanes)[kLanes]) {
  const bool generic = request.space == Space::kGeneric;
  switch (space) {
    case Space::kShared:
      return resolve_shared(warp, op, mask, request, generic ? kSharedWindow : 0, lanes);
    case Space::kLocal:
      return resolve_local(warp, op, mask, request, generic ? kLocalWindow : 0, lanes);
    case Space::kParam:
      return resolve_param(warp, op, mask, request, generic ? kParamWindow : 0, lanes);
    default:
      if (request.counted) {
        OpCounter& counter = warp.block().counters().at(warp.pc());
        count_sectors(counter, mask, request.addresses, request.bytes);
        counter.bytes += static_cast<std::uint64_t>(std::popcount(mask)) * request.bytes;
      }
      return resolve_global(warp, op, mask, request, lanes);
  }
}

}  // namespace

Accessor accessor_of(Warp& warp, std::uint32_t lane) {
  return {warp.index(), lane, warp.pc(), &warp.block().clock(warp)};
}

void fault_conflict(Warp& warp, const Op& op, std::uint32_t lane, std::uint64_t address,
                    const Conflict& conflict, bool writes) {
  const std::string where = thread_and_line(warp, conflict);
  const std::string mine = writes ? "a write" : "a read";
  if (conflict.in_flight) {
    warp.fault(HazardKind::kMissingWait, op, lane,
               mine + " of shared memory that an asynchronous copy of " + where +
                   " is still on its way to",
               &address);
  }
  warp.fault(HazardKind::kSharedRace, op, lane,
             mine + " that no barrier orders with " +
                 (conflict.other_writes ? "a write of " : "a read of ") + where,
             &address);
}

bool resolve(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
             LaneBytes (&lanes)[kLanes]) {
  bool changed = false;
  if (is_strong(request.access)) warp.note_poll();
  check_alignment(warp, op, mask, request);
  if (request.space != Space::kGeneric) {
    return resolve_in(request.space, warp, op, mask, request, lanes);
  }
  for (LaneMask left = mask; left != 0;) {
    const Space space = space_of(request.addresses[std::countr_zero(left)]);
    LaneMask same = 0;
    for (LaneMask rest = left; rest != 0; rest &= rest - 1) {
      const int lane = std::countr_zero(rest);
      if (space_of(request.addresses[lane]) == space) same |= 1u << lane;
    }
    changed = resolve_in(space, warp, op, same, request, lanes) || changed;
    left &= ~same;
  }
  return changed;
}

void observe(Warp& warp, LaneMask mask, const AccessRequest& request,
             const LaneBytes (&lanes)[kLanes]) {
  if (!is_strong(request.access)) return;
  Block& block = warp.block();
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const LaneBytes& lane = lanes[std::countr_zero(left)];
    if (lane.space != Space::kShared && lane.space != Space::kGlobal) continue;
    block.ordering().read(warp.index(), block.clock(warp),
                          words_of(warp, lane.space, lane.address, request.bytes),
                          reaching(lane.space, request.semantics));
  }
}

void read_addresses(Warp& warp, const Op& op, const Operand& base, LaneMask mask,
                    std::uint64_t (&addresses)[kLanes]) {
  warp.require_defined(op, base, mask, "as an address");
  const auto offset = static_cast<std::uint64_t>(op.immediate);
  if (base.bytes == 4) {
    const std::uint32_t* from = warp.lanes_of<std::uint32_t>(base);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      addresses[lane] = from[lane] + static_cast<std::uint32_t>(offset);
      addresses[lane] &= 0xFFFF'FFFF;
    }
    return;
  }
  const std::uint64_t* from = warp.lanes_of<std::uint64_t>(base);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) addresses[lane] = from[lane] + offset;
}

std::uint32_t memory_origin(Warp& warp, const LaneBytes& lane) {
  Grid& grid = warp.block().grid();
  if (lane.space == Space::kGlobal) {
    const Allocation* allocation = grid.memory().find(lane.address);
    const std::string stored = grid.memory().origin_at(lane.address);
    if (!stored.empty()) return grid.add_origin(stored);
    const std::string label = allocation == nullptr ? "global memory" : allocation->label;
    return grid.add_origin(label + ", to which nothing had been written there");
  }
  if (lane.space == Space::kShared) {
    const std::uint32_t stored = warp.block().shared_origin(lane.address);
    if (stored != 0) return stored;
    return grid.add_origin("shared memory, to which nothing had been written there");
  }
  return grid.add_origin("local memory, to which nothing defined had been written there");
}

void note_memory_origin(Warp& warp, const LaneBytes& lane, std::uint32_t bytes,
                        std::uint32_t origin) {
  if (lane.space == Space::kShared) warp.block().note_shared_origin(lane.address, bytes, origin);
  if (lane.space != Space::kGlobal) return;
  Grid& grid = warp.block().grid();
  grid.memory().note_origin(lane.address, bytes, grid.origin(origin));
}

}  // namespace virtual_gpu
