// Loads kernels from the first of several images that the driver takes.
#pragma once

#include <string>
#include <utility>

#include "backend/backend.h"
#include "core/status.h"
#include "cuda/driver/resources.h"

namespace fusebert::cuda {

// Images of one kind and architecture, which the first module settles: those given first, and
// others only where the driver refuses these as such. Other errors, such as a lack of memory, end
// the attempt.
class ModuleLoader {
 public:
  // Of `request`, which outlives the loader, the images and what limits them.
  ModuleLoader(ContextPointer context, const CudaRequest& request)
      : context_(std::move(context)), request_(request) {}

  // In a ContextScope. kDeviceUnavailable, with all that were refused, when none is taken.
  Result<Module> load(const std::string& file);

  // Which images run, and what was refused before: "kernels from cubin sm_90".
  std::string reason() const;

 private:
  Status none_taken() const;

  ContextPointer context_;
  const CudaRequest& request_;
  std::string taken_;     // "cubin sm_90"; empty until one was loaded
  std::string refusals_;  // "cubin sm_90: why; ptx sm_90: why"
};

}  // namespace fusebert::cuda
