// How many threads are worth starting: the least of physical cores, scheduler affinity and the
// cgroup CPU quota.
#pragma once

#include <string>

namespace fusebert {

struct ThreadLimits {
  int physical_cores = 0;  // cores, not hyper-threads; 0 when the system does not say
  int affinity = 0;        // CPUs the scheduler lets this process use; 0 when unknown
  double quota = 0;        // CPUs' worth of time the cgroup (v2 or v1) grants; 0 when unlimited
};

// Reads the limits below `root` ("" for the running system): root + "/sys/devices/system/cpu",
// root + "/proc/self/cgroup", root + "/sys/fs/cgroup". Affinity comes from the scheduler, limited
// to the CPUs counted as physical cores.
ThreadLimits read_thread_limits(const std::string& root = "");

// The least of the known limits, the quota rounded up, and never below 1.
int default_thread_count(const ThreadLimits& limits);

}  // namespace fusebert
