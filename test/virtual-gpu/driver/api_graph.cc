// Stream capture and graphs (CUDA driver API, sections "Stream Management", "Graph Management").
#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "driver/export.h"
#include "driver/launch.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

Graph* graph_of(CUgraph handle) { return find_handle(&Context::graphs, handle); }
GraphExec* exec_of(CUgraphExec handle) { return find_handle(&Context::executables, handle); }

/// A node and its place in its graph, which an executable's copy of it has too.
struct FoundNode {
  GraphNode* node = nullptr;
  std::size_t index = 0;
};

FoundNode node_of(CUgraphNode handle) {
  const auto* wanted = reinterpret_cast<const GraphNode*>(handle);
  for (Context* context : known_contexts()) {
    const std::lock_guard lock(context->mutex);
    for (const auto& [graph_handle, graph] : context->graphs) {
      for (std::size_t i = 0; i < graph->nodes.size(); ++i) {
        if (graph->nodes[i].get() == wanted) return {graph->nodes[i].get(), i};
      }
    }
  }
  return {};
}

/// Streams that forked off the capture must have come back: every node must lead to the origin's
/// last ones.
bool joined(const Capture& capture, const std::vector<std::size_t>& frontier) {
  std::vector<bool> reached(capture.graph.nodes.size());
  std::vector<std::size_t> open = frontier;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    const auto& after = capture.graph.nodes[node]->after;
    open.insert(open.end(), after.begin(), after.end());
  }
  return std::all_of(reached.begin(), reached.end(), [](bool each) { return each; });
}

/// Ends the capture on all streams that take part.
void release_streams(Context& context, const std::shared_ptr<Capture>& capture) {
  const std::lock_guard lock(context.mutex);
  capture->ended = true;
  for (const auto& [handle, stream] : context.streams) {
    if (stream->capture != capture) continue;
    stream->capture = nullptr;
    stream->frontier.clear();
  }
}

CUresult set_launch(Work& work, const CUDA_KERNEL_NODE_PARAMS& parameters) {
  if (work.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch launch;
  launch.cooperative = work.launch.cooperative;
  launch.kernel = parameters.func != nullptr ? find_kernel(parameters.func)
                                             : find_kernel(parameters.kern);
  if (launch.kernel == nullptr) return CUDA_ERROR_INVALID_VALUE;
  launch.shape = {{parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ},
                  {parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ},
                  parameters.sharedMemBytes};
  CUresult status = check_launch(launch);
  if (status != CUDA_SUCCESS) return status;
  status = gather_parameters(*launch.kernel->program, parameters.kernelParams, parameters.extra,
                             launch.parameters);
  if (status != CUDA_SUCCESS) return status;
  work.launch = std::move(launch);
  return CUDA_SUCCESS;
}

}  // namespace

VIRTUAL_GPU_API cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  Stream& stream = *now.stream;
  if (&stream == &stream.context->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const std::lock_guard lock(stream.context->mutex);
  if (stream.capture != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  stream.capture = std::make_shared<Capture>();
  stream.capture->origin = &stream;
  stream.capture->mode = mode;
  stream.frontier.clear();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamEndCapture(CUstream handle, CUgraph* result) try {
  const CurrentStream now = current_stream(handle);
  if (now.stream == nullptr) return now.status;
  if (result == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Stream& stream = *now.stream;
  const std::shared_ptr<Capture> capture = stream.capture;
  if (capture == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != &stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      capture->thread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  const bool all_joined = joined(*capture, stream.frontier);
  release_streams(*stream.context, capture);
  *result = nullptr;
  if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!all_joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  auto graph = std::make_unique<Graph>(std::move(capture->graph));
  const std::lock_guard lock(stream.context->mutex);
  *result = reinterpret_cast<CUgraph>(stream.context->graphs.add(std::move(graph)));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) try {
  if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, capture_mode());
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) try {
  const CurrentStream now = current_stream(handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Stream& stream = *now.stream;
  *status = stream.capture == nullptr  ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream.capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                      : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, std::size_t* count) try {
  const Graph* const found = graph_of(handle);
  if (found == nullptr || count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Graph& graph = *found;
  if (nodes != nullptr) {
    for (std::size_t i = 0; i < *count; ++i) {
      nodes[i] = i < graph.nodes.size() ? reinterpret_cast<CUgraphNode>(graph.nodes[i].get())
                                        : nullptr;
    }
  }
  *count = graph.nodes.size();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType* type) try {
  const GraphNode* const node = node_of(handle).node;
  if (node == nullptr || type == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *type = node->work.type;
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphDestroy(CUgraph handle) try {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  const std::lock_guard lock(now.context->mutex);
  return now.context->graphs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphInstantiate(CUgraphExec* result, CUgraph handle, unsigned long long) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  const Graph* const graph = graph_of(handle);
  if (result == nullptr || graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto exec = std::make_unique<GraphExec>(*graph);
  const std::lock_guard lock(now.context->mutex);
  *result = reinterpret_cast<CUgraphExec>(now.context->executables.add(std::move(exec)));
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphExecDestroy(CUgraphExec handle) try {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  now.context->synchronize();
  const std::lock_guard lock(now.context->mutex);
  return now.context->executables.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphUpload(CUgraphExec handle, CUstream) try {
  return exec_of(handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : current().status;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) try {
  const CurrentStream now = current_stream(stream_handle);
  if (now.status != CUDA_SUCCESS) return now.status;
  const GraphExec* const found = exec_of(handle);
  if (found == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  if (now.stream->context != context) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult refused = context->refuse_if_captured(*now.stream);
  if (refused != CUDA_SUCCESS) return refused;
  // What the executable is now: later updates concern later launches.
  auto exec = std::make_shared<const GraphExec>(*found);
  context->add(*now.stream, [context, exec] {
    for (const std::size_t index : exec->order(Driver::instance().settings().seed)) {
      if (context->sticky != CUDA_SUCCESS) return;
      const Work& work = exec->nodes[index].work;
      if (work.type == CU_GRAPH_NODE_TYPE_KERNEL) run_launch(*context, work.launch);
      else if (work.run) work.run();
    }
  });
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphExecUpdate(CUgraphExec handle, CUgraph graph_handle,
                                  CUgraphExecUpdateResultInfo* info) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  GraphExec* const found_exec = exec_of(handle);
  const Graph* const found_graph = graph_of(graph_handle);
  if (found_exec == nullptr || found_graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
  GraphExec& exec = *found_exec;
  const Graph& graph = *found_graph;
  CUgraphExecUpdateResult result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
  if (exec.nodes.size() != graph.nodes.size()) {
    result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  }
  for (std::size_t i = 0; result == CU_GRAPH_EXEC_UPDATE_SUCCESS && i < exec.nodes.size(); ++i) {
    if (exec.nodes[i].after != graph.nodes[i]->after) {
      result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    } else if (exec.nodes[i].work.type != graph.nodes[i]->work.type) {
      result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
  }
  if (info != nullptr) {
    std::memset(info, 0, sizeof *info);
    info->result = result;
  }
  if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  exec = GraphExec(graph);
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphKernelNodeGetParams(CUgraphNode handle,
                                           CUDA_KERNEL_NODE_PARAMS* parameters) try {
  GraphNode* const node = node_of(handle).node;
  if (node == nullptr || parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Work& work = node->work;
  if (work.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
  std::memset(parameters, 0, sizeof *parameters);
  const LaunchShape& shape = work.launch.shape;
  parameters->func = reinterpret_cast<CUfunction>(const_cast<Kernel*>(work.launch.kernel));
  parameters->gridDimX = shape.grid[0];
  parameters->gridDimY = shape.grid[1];
  parameters->gridDimZ = shape.grid[2];
  parameters->blockDimX = shape.block[0];
  parameters->blockDimY = shape.block[1];
  parameters->blockDimZ = shape.block[2];
  parameters->sharedMemBytes = shape.dynamic_shared_bytes;
  node->parameter_pointers.clear();
  for (const Parameter& parameter : work.launch.kernel->program->parameters) {
    node->parameter_pointers.push_back(work.launch.parameters.data() + parameter.offset);
  }
  parameters->kernelParams = node->parameter_pointers.data();
  return CUDA_SUCCESS;
} VIRTUAL_GPU_END

VIRTUAL_GPU_API cuGraphExecKernelNodeSetParams(CUgraphExec handle, CUgraphNode node_handle,
                                               const CUDA_KERNEL_NODE_PARAMS* parameters) try {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  GraphExec* const exec = exec_of(handle);
  const FoundNode found = node_of(node_handle);
  if (exec == nullptr || found.node == nullptr || parameters == nullptr ||
      found.index >= exec->nodes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return set_launch(exec->nodes[found.index].work, *parameters);
} VIRTUAL_GPU_END
