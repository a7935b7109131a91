// Stream capture. Whatever happens, the stream leaves it.
#include "cuda/driver/graph.h"

#include <utility>

namespace fusebert::cuda {
namespace {

using Graph = Owned<CUgraph, &Api::cuGraphDestroy>;

}  // namespace

Result<GraphExec> record_graph(const ContextPointer& context, const Stream& stream,
                               const std::function<Status()>& queue) {
  const Api& api = context->api();
  FUSEBERT_CUDA_CHECK(api,
                      cuStreamBeginCapture(stream.get(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  const Status queued = queue();
  CUgraph handle = nullptr;
  const CUresult ended = api.cuStreamEndCapture(stream.get(), &handle);
  const Graph graph(context, handle);
  FUSEBERT_RETURN_IF_ERROR(queued);
  FUSEBERT_RETURN_IF_ERROR(api.check(ended, "cuStreamEndCapture"));
  CUgraphExec executable = nullptr;
  FUSEBERT_CUDA_CHECK(api, cuGraphInstantiateWithFlags(&executable, graph.get(), 0));
  return GraphExec(context, executable);
}

Status launch_graph(const GraphExec& graph, const Stream& stream) {
  FUSEBERT_CUDA_CHECK(graph.api(), cuGraphLaunch(graph.get(), stream.get()));
  return Status();
}

}  // namespace fusebert::cuda
