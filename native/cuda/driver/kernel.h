// A kernel of a loaded module, and launching it.
#pragma once

#include <string>

#include "core/status.h"
#include "cuda/driver/resources.h"

namespace fusebert::cuda {

struct LaunchShape {
  unsigned blocks = 0;
  unsigned threads = 0;  // of a block
  unsigned shared_bytes = 0;
};

// Borrows its module.
class Kernel {
 public:
  Kernel() = default;

  // `shared_bytes`: of dynamic shared memory, the most that a launch will ask for.
  static Result<Kernel> find(const Module& module, const std::string& name, unsigned shared_bytes);

  // Queues a launch whose only parameter is *params; it is copied. Fewer than one block: nothing.
  template <class Params>
  Status launch(const Stream& stream, const LaunchShape& shape, const Params& params) const {
    return launch_with(stream, shape, &params);
  }

 private:
  Status launch_with(const Stream& stream, const LaunchShape& shape, const void* params) const;

  const Api* api_ = nullptr;
  CUfunction function_ = nullptr;
};

}  // namespace fusebert::cuda
