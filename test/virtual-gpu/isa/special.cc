#include "isa/special.h"

#include <array>
#include <chrono>
#include <string_view>

#include "isa/lanes.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu::isa::special {
namespace {

/// The value of a special register in one lane.
using Read = std::uint64_t (*)(Warp& warp, std::uint32_t lane);

std::uint64_t nanoseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

template <int kAxis>
std::uint64_t thread_index(Warp& warp, std::uint32_t lane) {
  std::uint32_t index[3];
  warp.block().thread_index(warp.thread_of(lane), index);
  return index[kAxis];
}
template <int kAxis>
std::uint64_t block_size(Warp& warp, std::uint32_t) {
  return warp.block().grid().shape().block[kAxis];
}
template <int kAxis>
std::uint64_t block_index(Warp& warp, std::uint32_t) { return warp.block().index()[kAxis]; }
template <int kAxis>
std::uint64_t grid_size(Warp& warp, std::uint32_t) {
  return warp.block().grid().shape().grid[kAxis];
}
std::uint64_t zero(Warp&, std::uint32_t) { return 0; }
std::uint64_t one(Warp&, std::uint32_t) { return 1; }
std::uint64_t lane_index(Warp&, std::uint32_t lane) { return lane; }
std::uint64_t warp_index(Warp& warp, std::uint32_t) { return warp.index(); }
std::uint64_t warp_count(Warp& warp, std::uint32_t) { return warp.block().warps().size(); }
std::uint64_t multiprocessor(Warp& warp, std::uint32_t) {
  const std::uint32_t* index = warp.block().index();
  const std::uint32_t* size = warp.block().grid().shape().grid;
  const std::uint64_t number =
      index[0] + size[0] * (index[1] + std::uint64_t{size[1]} * index[2]);
  return number % warp.block().grid().machine().multiprocessors;
}
std::uint64_t multiprocessors(Warp& warp, std::uint32_t) {
  return warp.block().grid().machine().multiprocessors;
}
std::uint64_t lanes_equal(Warp&, std::uint32_t lane) { return 1u << lane; }
std::uint64_t lanes_less(Warp&, std::uint32_t lane) { return (1u << lane) - 1; }
std::uint64_t lanes_less_or_equal(Warp&, std::uint32_t lane) {
  return (std::uint64_t{2} << lane) - 1;
}
std::uint64_t lanes_greater(Warp&, std::uint32_t lane) {
  return 0xFFFF'FFFF & ~((std::uint64_t{2} << lane) - 1);
}
std::uint64_t lanes_greater_or_equal(Warp&, std::uint32_t lane) {
  return 0xFFFF'FFFF & ~((std::uint64_t{1} << lane) - 1);
}
std::uint64_t clock(Warp&, std::uint32_t) { return nanoseconds(); }
std::uint64_t clock_high(Warp&, std::uint32_t) { return nanoseconds() >> 32; }
// Cooperative groups find the driver's workspace of the grid in these two.
std::uint64_t workspace_high(Warp& warp, std::uint32_t) {
  return warp.block().grid().machine().grid_workspace >> 32;
}
std::uint64_t workspace_low(Warp& warp, std::uint32_t) {
  return warp.block().grid().machine().grid_workspace;
}
std::uint64_t dynamic_shared(Warp& warp, std::uint32_t) {
  return warp.block().grid().shape().dynamic_shared_bytes;
}
std::uint64_t total_shared(Warp& warp, std::uint32_t) { return warp.block().shared().bytes(); }

struct Row {
  std::string_view name;
  Read read;
};

constexpr std::array kRows{
    Row{"%tid.x", thread_index<0>},        Row{"%tid.y", thread_index<1>},
    Row{"%tid.z", thread_index<2>},        Row{"%ntid.x", block_size<0>},
    Row{"%ntid.y", block_size<1>},         Row{"%ntid.z", block_size<2>},
    Row{"%ctaid.x", block_index<0>},       Row{"%ctaid.y", block_index<1>},
    Row{"%ctaid.z", block_index<2>},       Row{"%nctaid.x", grid_size<0>},
    Row{"%nctaid.y", grid_size<1>},        Row{"%nctaid.z", grid_size<2>},
    Row{"%laneid", lane_index},            Row{"%warpid", warp_index},
    Row{"%nwarpid", warp_count},           Row{"%smid", multiprocessor},
    Row{"%nsmid", multiprocessors},        Row{"%gridid", one},
    Row{"%lanemask_eq", lanes_equal},      Row{"%lanemask_lt", lanes_less},
    Row{"%lanemask_le", lanes_less_or_equal}, Row{"%lanemask_gt", lanes_greater},
    Row{"%lanemask_ge", lanes_greater_or_equal}, Row{"%clock", clock},
    Row{"%clock_hi", clock_high},          Row{"%clock64", clock},
    Row{"%globaltimer", clock},            Row{"%globaltimer_lo", clock},
    Row{"%globaltimer_hi", clock_high},    Row{"%dynamic_smem_size", dynamic_shared},
    Row{"%total_smem_size", total_shared}, Row{"%is_explicit_cluster", zero},
    Row{"%envreg1", workspace_high},       Row{"%envreg2", workspace_low},
    // Without clusters every block is one of its own.
    Row{"%clusterid.x", block_index<0>},   Row{"%clusterid.y", block_index<1>},
    Row{"%clusterid.z", block_index<2>},   Row{"%nclusterid.x", grid_size<0>},
    Row{"%nclusterid.y", grid_size<1>},    Row{"%nclusterid.z", grid_size<2>},
    Row{"%cluster_ctaid.x", zero},         Row{"%cluster_ctaid.y", zero},
    Row{"%cluster_ctaid.z", zero},         Row{"%cluster_nctaid.x", one},
    Row{"%cluster_nctaid.y", one},         Row{"%cluster_nctaid.z", one},
    Row{"%cluster_ctarank", zero},         Row{"%cluster_nctarank", one},
};

template <typename T>
Flow run(Warp& warp, const Op& op, LaneMask mask) {
  const Read read = kRows[op.variant].read;
  T lanes[kLanes];
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    lanes[lane] = static_cast<T>(read(warp, lane));
  }
  write_lanes(warp, op.operands[0], mask, lanes);
  warp.mark_defined(op.operands[0], mask);
  return Flow::kNext;
}

}  // namespace

bool decode(Builder& b, ptx::Type type) {
  const std::string& name = b.operand(1).name;
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name != name) continue;
    b.op().variant = static_cast<std::uint32_t>(i);
    b.op().op_class = OpClass::kMove;
    switch (ptx::bytes_of(type)) {
      case 2: b.op().execute = &run<std::uint16_t>; break;
      case 4: b.op().execute = &run<std::uint32_t>; break;
      case 8: b.op().execute = &run<std::uint64_t>; break;
      default: b.fail("Expected a type of 16, 32 or 64 bits");
    }
    b.destination(b.operand(0), ptx::bytes_of(type));
    b.end_destinations();
    return true;
  }
  return false;
}

}  // namespace virtual_gpu::isa::special
