#include "machine/access.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu {
namespace {

using ptx::Space;

constexpr std::uint32_t kBanks = 32;
constexpr std::uint32_t kBankBytes = 4;
constexpr std::uint32_t kSectorBytes = 32;
static_assert(kWavefrontBytes == kBanks * kBankBytes);

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

/// Who made the other access, and where in the program.
std::string thread_and_line(Warp& warp, const Conflict& conflict) {
  const Program& program = warp.block().grid().program();
  std::uint32_t other[3];
  warp.block().thread_index(conflict.warp * kLanes + conflict.lane, other);
  return "thread (" + std::to_string(other[0]) + ", " + std::to_string(other[1]) + ", " +
         std::to_string(other[2]) + ") at PTX line " +
         std::to_string(program.ops[conflict.pc].line);
}

/// Before a strong write: what the thread knows is told to who reads it, see Ordering.
void publish(Warp& warp, const AccessRequest& request, std::uint64_t address) {
  if (!is_strong(request.access) || !is_write(request.access)) return;
  Block& block = warp.block();
  block.ordering().write(warp.index(), block.clock(warp), address, request.semantics,
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

/// Records the access for GlobalRaces, and writes what a store writes.
bool touch_global(Warp& warp, const Op& op, const AccessRequest& request, std::uint32_t lane,
                  Allocation& allocation, std::uint64_t offset) {
  Block& block = warp.block();
  GlobalRaces& races = block.grid().races();
  const std::uint64_t address = request.addresses[lane];
  GlobalRaces::Guard guard;
  guard.hold(races, address);
  const GlobalAccessor by{.who = accessor_of(warp, request.collective ? kCollectiveLane : lane),
                          .block = block.number(),
                          .is_write = is_write(request.access),
                          .is_strong = is_strong(request.access),
                          .scope = request.semantics.scope,
                          .keeps_read = (block.random() & 1) != 0};
  std::byte* place = allocation.data + offset;
  // The same where it is there already, from whomever.
  const auto same = [&](std::uint64_t cell, std::uint32_t bytes) {
    if (request.values == nullptr) return false;
    const std::uint64_t first = std::max(cell, offset);
    const std::uint64_t end = std::min(cell + bytes, offset + request.bytes);
    return std::memcmp(allocation.data + first, request.values[lane] + (first - offset),
                       end - first) == 0;
  };
  const Conflict conflict = races.access(allocation, offset, request.bytes, by, same);
  if (conflict.found) fault_global_race(warp, op, lane, address, conflict, by.is_write);
  if (request.values == nullptr) return false;
  const bool changed = std::memcmp(place, request.values[lane], request.bytes) != 0;
  std::memcpy(place, request.values[lane], request.bytes);
  return changed;
}

bool resolve_global(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                    LaneBytes (&lanes)[kLanes]) {
  Allocation* allocation = nullptr;
  bool changed = false;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
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
    publish(warp, request, address);
    changed = touch_global(warp, op, request, lane, *allocation, offset) || changed;
  }
  return changed;
}

/// Bytes that any of the lanes touches, each counted once: lanes may read the same ones.
std::uint64_t distinct_bytes(LaneMask mask, const std::uint64_t* addresses, std::uint32_t bytes) {
  std::array<std::uint64_t, kLanes> sorted;
  std::size_t count = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    sorted[count++] = addresses[std::countr_zero(left)];
  }
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count));
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    total += last ? bytes : std::min<std::uint64_t>(bytes, sorted[i + 1] - sorted[i]);
  }
  return total;
}

void count_sectors(Warp& warp, const AccessRequest& request, LaneMask mask) {
  std::array<std::uint64_t, kLanes * 2> sectors;
  std::size_t count = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const std::uint64_t address = request.addresses[std::countr_zero(left)];
    sectors[count++] = address / kSectorBytes;
    const std::uint64_t last = (address + request.bytes - 1) / kSectorBytes;
    if (last != address / kSectorBytes) sectors[count++] = last;
  }
  const auto filled = sectors.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(sectors.begin(), filled);
  const auto end = std::unique(sectors.begin(), filled);
  const std::uint64_t distinct = distinct_bytes(mask, request.addresses, request.bytes);
  OpCounter& counter = warp.block().counters().at(warp.pc());
  counter.sectors += static_cast<std::uint64_t>(end - sectors.begin());
  counter.least_sectors += (distinct + kSectorBytes - 1) / kSectorBytes;
  counter.bytes += static_cast<std::uint64_t>(std::popcount(mask)) * request.bytes;
}

bool resolve_shared(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
                    std::uint64_t window, LaneBytes (&lanes)[kLanes]) {
  SharedMemory& shared = warp.block().shared();
  std::uint64_t offsets[kLanes];
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(left));
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
    const Accessor who = accessor_of(warp, request.collective ? kCollectiveLane : lane);
    const auto place = static_cast<std::uint32_t>(offset);
    Conflict conflict = shared.access(request.access, place, request.bytes, who);
    const bool writes_twice = conflict.found && conflict.other_writes && !conflict.in_flight;
    if (writes_twice && request.values != nullptr &&
        std::memcmp(request.values[lane], shared.data() + offset, request.bytes) == 0) {
      conflict = shared.access(request.access, place, request.bytes, who, true);
    }
    if (conflict.found) {
      fault_conflict(warp, op, lane, address, conflict, is_write(request.access));
    }
    publish(warp, request, kSharedWindow + offset);
    // Now, so that the lanes after this one compare with it.
    if (request.values != nullptr) {
      std::memcpy(shared.data() + offset, request.values[lane], request.bytes);
    }
    lanes[lane] = {.data = shared.data() + offset,
                   .defined = shared.defined() + offset,
                   .space = Space::kShared,
                   .address = offset};
  }
  if (request.counted) {
    OpCounter& counter = warp.block().counters().at(warp.pc());
    const std::uint64_t distinct = distinct_bytes(mask, offsets, request.bytes);
    counter.wavefronts += wavefronts(mask, offsets, request.bytes);
    counter.least_wavefronts += (distinct + kWavefrontBytes - 1) / kWavefrontBytes;
    counter.bytes += static_cast<std::uint64_t>(std::popcount(mask)) * request.bytes;
  }
  return is_write(request.access);
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
    if (request.values != nullptr) {
      std::memcpy(lanes[lane].data, request.values[lane], request.bytes);
    }
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
      if (request.counted) count_sectors(warp, request, mask);
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
    const bool shared = lane.space == Space::kShared;
    if (!shared && lane.space != Space::kGlobal) continue;
    block.ordering().read(warp.index(), block.clock(warp),
                          shared ? kSharedWindow + lane.address : lane.address,
                          request.semantics);
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

std::uint32_t wavefronts(LaneMask mask, const std::uint64_t* offsets, std::uint32_t bytes) {
  // Accesses of 8 and 16 bytes go in passes of a half and a quarter of the warp.
  const std::uint32_t group = bytes <= kBankBytes ? kLanes : kLanes * kBankBytes / bytes;
  const std::uint32_t words = std::max(1u, bytes / kBankBytes);
  std::uint32_t total = 0;
  for (std::uint32_t first = 0; first < kLanes; first += group) {
    std::array<std::array<std::uint64_t, kLanes>, kBanks> seen;
    std::array<std::uint32_t, kBanks> count{};
    std::uint32_t most = 0;
    for (std::uint32_t lane = first; lane < first + group; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      for (std::uint32_t i = 0; i < words; ++i) {
        const std::uint64_t word = offsets[lane] / kBankBytes + i;
        auto& bank = seen[word % kBanks];
        std::uint32_t& n = count[word % kBanks];
        const auto end = bank.begin() + n;
        if (std::find(bank.begin(), end, word) != end) continue;
        bank[n++] = word;
        most = std::max(most, n);
      }
    }
    total += most;
  }
  return total;
}

}  // namespace virtual_gpu
