// sched_setattr(), for which glibc has a wrapper from 2.41 on only. A normal thread's `runtime` is
// its slice; kernels that know none ignore it.
#include "core/time_slice.h"

#include <cstdint>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "core/processor.h"

namespace fusebert {
namespace {

#if defined(SYS_sched_setattr)

// As the kernel's struct sched_attr was at first.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

bool read_attributes(SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0;
}

#endif

}  // namespace

void give_way_to_woken_threads() {
#if defined(SYS_sched_setattr)
  if (!may_schedule()) return;
  SchedulingAttributes attributes;
  // Whoever gave the process another policy has his reasons.
  if (!read_attributes(attributes) || attributes.policy != SCHED_OTHER) return;
  const auto wanted = static_cast<uint64_t>(kComputingSlice.count());
  if (attributes.runtime >= wanted) return;
  attributes.runtime = wanted;
  static_cast<void>(syscall(SYS_sched_setattr, 0, &attributes, 0));
#endif
}

std::chrono::nanoseconds time_slice() {
#if defined(SYS_sched_setattr)
  SchedulingAttributes attributes;
  if (read_attributes(attributes) && attributes.policy == SCHED_OTHER) {
    return std::chrono::nanoseconds(attributes.runtime);
  }
#endif
  return std::chrono::nanoseconds(0);
}

}  // namespace fusebert
