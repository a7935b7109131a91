// Graphs: work that was captured from streams, to be launched again and again.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "driver/module.h"
#include "machine/grid.h"

namespace virtual_gpu {

/// What a kernel node can be given anew: everything that a launch says.
struct KernelLaunch {
  const Kernel* kernel = nullptr;
  LaunchShape shape;
  std::vector<std::byte> parameters;
  bool cooperative = false;
};

/// Something that a stream does, or a node of a graph.
struct Work {
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  std::function<void()> run;     // of all but kernels
  KernelLaunch launch;           // of kernels
};

struct GraphNode {
  Work work;
  std::vector<void*> parameter_pointers;  // to those of the work, for who asks
  std::vector<std::size_t> after;         // indices of the nodes that come first
};

/// What a CUgraph points to. Nodes come after those that they depend on.
struct Graph {
  std::vector<std::unique_ptr<GraphNode>> nodes;
};

/// What a CUgraphExec points to: a copy, so that the graph may go.
struct GraphExec {
  std::vector<GraphNode> nodes;

  explicit GraphExec(const Graph& graph);
  /// The nodes in one of the orders that their dependencies allow, chosen by the seed.
  std::vector<std::size_t> order(std::uint64_t seed) const;
};

/// A capture under way: the graph so far, and which stream began it.
struct Capture {
  Graph graph;
  const void* origin = nullptr;
  std::thread::id thread = std::this_thread::get_id();  // that began it
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  bool invalid = false;
  bool ended = false;
};

}  // namespace virtual_gpu
