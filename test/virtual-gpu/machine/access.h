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

struct AccessRequest {
  ptx::Space space = ptx::Space::kGeneric;
  Access access = Access::kRead;
  std::uint32_t bytes = 0;          // of each lane, also the alignment that it must have
  const std::uint64_t* addresses = nullptr;  // of 32 lanes
  /// Of a store: what each lane writes. It is written by `resolve`, lane by lane, so that threads
  /// may write the same to one place.
  const std::byte (*values)[kMaxAccessBytes] = nullptr;
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

/// What a pass through the 32 banks moves at most.
constexpr std::uint32_t kWavefrontBytes = 128;
/// Passes through the 32 banks of 4 bytes that these lanes need: one word of a bank each.
std::uint32_t wavefronts(LaneMask mask, const std::uint64_t* offsets, std::uint32_t bytes);

/// Faults the launch for a conflict that SharedMemory has found.
[[noreturn]] void fault_conflict(Warp& warp, const Op& op, std::uint32_t lane,
                                 std::uint64_t address, const Conflict& conflict, bool writes);
/// Who this lane is, for SharedMemory; kCollectiveLane for what a warp does as a whole.
Accessor accessor_of(Warp& warp, std::uint32_t lane);
constexpr std::uint32_t kCollectiveLane = 0xFD;

}  // namespace virtual_gpu
