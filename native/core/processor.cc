// On Linux by the thread's affinity, which is as before afterwards.
#include "core/processor.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace fusebert {

int current_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

bool leave_processor([[maybe_unused]] int processor) {
#if defined(__linux__)
  // Of machines with more processors than it holds the first call says EINVAL.
  cpu_set_t allowed;
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return false;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<size_t>(processor), &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) != 0) return false;
  return sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
#else
  return false;
#endif
}

}  // namespace fusebert
