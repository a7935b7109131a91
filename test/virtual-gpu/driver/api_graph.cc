// Stream capture and graphs (CUDA driver API, sections "Stream Management", "Graph Management").
#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "driver/export.h"
#include "driver/launch.h"
#include "driver/state.h"

using namespace virtual_gpu;

namespace {

Graph* graph_of(CUgraph handle) { return reinterpret_cast<Graph*>(handle); }
GraphExec* exec_of(CUgraphExec handle) { return reinterpret_cast<GraphExec*>(handle); }
GraphNode* node_of(CUgraphNode handle) { return reinterpret_cast<GraphNode*>(handle); }

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
  for (const auto& stream : context.streams) {
    if (stream->capture != capture) continue;
    stream->capture = nullptr;
    stream->frontier.clear();
  }
}

CUresult set_launch(Work& work, const CUDA_KERNEL_NODE_PARAMS& parameters) {
  if (work.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch launch;
  launch.cooperative = work.launch.cooperative;
  launch.kernel = parameters.func != nullptr ? reinterpret_cast<Kernel*>(parameters.func)
                                             : reinterpret_cast<Kernel*>(parameters.kern);
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

VIRTUAL_GPU_API cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  Stream& stream = stream_of(*now.context, handle);
  if (&stream == &now.context->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const std::lock_guard lock(now.context->mutex);
  if (stream.capture != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  stream.capture = std::make_shared<Capture>();
  stream.capture->origin = &stream;
  stream.capture->mode = mode;
  stream.frontier.clear();
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuStreamEndCapture(CUstream handle, CUgraph* result) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  if (result == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Stream& stream = stream_of(*now.context, handle);
  const std::shared_ptr<Capture> capture = stream.capture;
  if (capture == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != &stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      capture->thread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  const bool all_joined = joined(*capture, stream.frontier);
  release_streams(*now.context, capture);
  *result = nullptr;
  if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!all_joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  auto graph = std::make_unique<Graph>(std::move(capture->graph));
  *result = reinterpret_cast<CUgraph>(graph.get());
  const std::lock_guard lock(now.context->mutex);
  now.context->graphs.insert(std::move(graph));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, capture_mode());
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Stream& stream = stream_of(*now.context, handle);
  *status = stream.capture == nullptr  ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream.capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                      : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, std::size_t* count) {
  if (handle == nullptr || count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Graph& graph = *graph_of(handle);
  if (nodes != nullptr) {
    for (std::size_t i = 0; i < *count; ++i) {
      nodes[i] = i < graph.nodes.size() ? reinterpret_cast<CUgraphNode>(graph.nodes[i].get())
                                        : nullptr;
    }
  }
  *count = graph.nodes.size();
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType* type) {
  if (handle == nullptr || type == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *type = node_of(handle)->work.type;
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphDestroy(CUgraph handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  const std::lock_guard lock(now.context->mutex);
  return erase(now.context->graphs, graph_of(handle)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

VIRTUAL_GPU_API cuGraphInstantiate(CUgraphExec* result, CUgraph handle, unsigned long long) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (result == nullptr || handle == nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto exec = std::make_unique<GraphExec>(*graph_of(handle));
  *result = reinterpret_cast<CUgraphExec>(exec.get());
  const std::lock_guard lock(now.context->mutex);
  now.context->executables.insert(std::move(exec));
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphExecDestroy(CUgraphExec handle) {
  const Current now = current();
  if (now.context == nullptr) return now.status;
  now.context->synchronize();
  const std::lock_guard lock(now.context->mutex);
  return erase(now.context->executables, exec_of(handle)) ? CUDA_SUCCESS
                                                          : CUDA_ERROR_INVALID_VALUE;
}

VIRTUAL_GPU_API cuGraphUpload(CUgraphExec handle, CUstream) {
  return handle == nullptr ? CUDA_ERROR_INVALID_VALUE : current().status;
}

VIRTUAL_GPU_API cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Context* context = now.context;
  Stream& stream = stream_of(*context, stream_handle);
  const CUresult refused = context->refuse_if_captured(stream);
  if (refused != CUDA_SUCCESS) return refused;
  // What the executable is now: later updates concern later launches.
  auto exec = std::make_shared<const GraphExec>(*exec_of(handle));
  context->add(stream, [context, exec] {
    for (const std::size_t index : exec->order(Driver::instance().settings().seed)) {
      if (context->sticky != CUDA_SUCCESS) return;
      const Work& work = exec->nodes[index].work;
      if (work.type == CU_GRAPH_NODE_TYPE_KERNEL) run_launch(*context, work.launch);
      else if (work.run) work.run();
    }
  });
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphExecUpdate(CUgraphExec handle, CUgraph graph_handle,
                                  CUgraphExecUpdateResultInfo* info) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr || graph_handle == nullptr) return CUDA_ERROR_INVALID_VALUE;
  GraphExec& exec = *exec_of(handle);
  const Graph& graph = *graph_of(graph_handle);
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
}

VIRTUAL_GPU_API cuGraphKernelNodeGetParams(CUgraphNode handle,
                                           CUDA_KERNEL_NODE_PARAMS* parameters) {
  if (handle == nullptr || parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Work& work = node_of(handle)->work;
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
  return CUDA_SUCCESS;
}

VIRTUAL_GPU_API cuGraphExecKernelNodeSetParams(CUgraphExec handle, CUgraphNode node_handle,
                                               const CUDA_KERNEL_NODE_PARAMS* parameters) {
  const Current now = current();
  if (now.status != CUDA_SUCCESS) return now.status;
  if (handle == nullptr || node_handle == nullptr || parameters == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // A node is found by its place, which the executable's copy of it has too.
  const std::lock_guard lock(now.context->mutex);
  for (const auto& graph : now.context->graphs) {
    for (std::size_t i = 0; i < graph->nodes.size(); ++i) {
      if (graph->nodes[i].get() != node_of(node_handle)) continue;
      GraphExec& exec = *exec_of(handle);
      if (i >= exec.nodes.size()) return CUDA_ERROR_INVALID_VALUE;
      return set_launch(exec.nodes[i].work, *parameters);
    }
  }
  return CUDA_ERROR_INVALID_VALUE;
}
