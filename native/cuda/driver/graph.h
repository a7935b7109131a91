// Launches recorded once and replayed as one.
#pragma once

#include <functional>

#include "core/status.h"
#include "cuda/driver/resources.h"

namespace fusebert::cuda {

using GraphExec = Owned<CUgraphExec, &Api::cuGraphExecDestroy>;

// What `queue` puts on the stream, without running it. `queue` may do nothing but launch: an
// allocation, a copy from pageable memory or a wait ends the recording with an error. Other threads
// may do as they like.
Result<GraphExec> record_graph(const ContextPointer& context, const Stream& stream,
                               const std::function<Status()>& queue);

// Queues all of it, behind what is on the stream and behind earlier launches of the same graph.
Status launch_graph(const GraphExec& graph, const Stream& stream);

}  // namespace fusebert::cuda
