// From the addresses of a warp's lanes to bytes of the host: bounds, alignment, life time, races,
// and the counters of memory traffic. Every instruction that touches memory comes through here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machine/ordering.h"
#include "machine/shared_memory.h"
#include "machine/warp.h"
#include "ptx/types.h"

namespace virtual_gpu {

/// Where a lane's bytes are.
struct LaneBytes {
  std::byte* data = nullptr;
  std::uint8_t* defined = nullptr;  // null: all of them are
  ptx::Space space = ptx::Space::kGlobal;
  std::uint64_t address = 0;        // in its space's own terms; device memory: the full address
};

constexpr std::uint32_t kMaxAccessBytes = 32;
using AccessBytes = std::byte[kLanes][kMaxAccessBytes];

/// What an atomic operation does at its place. Nobody else comes between.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// True if it wrote: an exchange that compares may not.
  virtual bool run(std::uint32_t lane, const LaneBytes& place) = 0;
};

struct AccessRequest {
  ptx::Space space = ptx::Space::kGeneric;
  Access access = Access::kRead;
  std::uint32_t bytes = 0;          // of each lane, also the alignment that it must have
  const std::uint64_t* addresses = nullptr;  // of 32 lanes
  /// Each lane's access is done within `resolve`, so that it is one step for other host threads.
  /// Of a store: what each lane writes. Lanes may write the same to one place.
  const AccessBytes* values = nullptr;
  /// Of a load: where what each lane reads goes.
  AccessBytes* loaded = nullptr;
  /// Of an atomic operation, whose lanes take their turns from `first` on.
  Exchange* exchange = nullptr;
  std::uint32_t first = 0;
  Semantics semantics{};            // of a strong access
  bool counted = true;              // not for what other instructions have counted before
  bool aligned = true;              // fault where an address is no multiple of `bytes`
  bool collective = false;          // on behalf of the whole warp, not of the lane alone
};

/// Fills in `lanes` for the lanes of `mask`. Faults the launch where an access is wrong. True if a
/// store changed anything that threads may wait for.
bool resolve(Warp& warp, const Op& op, LaneMask mask, const AccessRequest& request,
             LaneBytes (&lanes)[kLanes]);

/// After a strong access that reads: what the thread now knows of others, see Ordering.
void observe(Warp& warp, LaneMask mask, const AccessRequest& request,
             const LaneBytes (&lanes)[kLanes]);

/// The addresses of an operand of 4 or 8 bytes a lane plus the Op's immediate; faults if undefined.
void read_addresses(Warp& warp, const Op& op, const Operand& base, LaneMask mask,
                    std::uint64_t (&addresses)[kLanes]);

/// Where the undefined bits at a place come from, as a number for Warp::mark_tainted.
std::uint32_t memory_origin(Warp& warp, const LaneBytes& lane);
/// Remembers that undefined bits were stored at a place.
void note_memory_origin(Warp& warp, const LaneBytes& lane, std::uint32_t bytes,
                        std::uint32_t origin);

/// Faults the launch for a conflict that SharedMemory has found.
[[noreturn]] void fault_conflict(Warp& warp, const Op& op, std::uint32_t lane,
                                 std::uint64_t address, const Conflict& conflict, bool writes);
/// Who this lane is, for SharedMemory; kCollectiveLane for what a warp does as a whole.
Accessor accessor_of(Warp& warp, std::uint32_t lane);
constexpr std::uint32_t kCollectiveLane = 0xFD;

}  // namespace virtual_gpu
