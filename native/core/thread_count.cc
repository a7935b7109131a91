// Reads what Linux says of cores and quotas; elsewhere the standard library's count has to do.
//
// Cores: /sys/devices/system/cpu/cpuN/topology/{core_cpus_list,thread_siblings_list}.
// Quotas: the kernel's cgroup-v2 (cpu.max) and sched-bwc (cpu.cfs_quota_us) documents.
#include "core/thread_count.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fusebert {
namespace {

// Deeper cgroups than this do not occur; the bound keeps a strange path from looping for long.
constexpr int kMaxCgroupDepth = 64;

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The CPU of a directory name like "cpu12"; -1 for others ("cpufreq").
int cpu_number(const std::string& name) {
  constexpr size_t kPrefix = 3;
  constexpr size_t kMaxDigits = 6;
  if (name.rfind("cpu", 0) != 0 || name.size() == kPrefix || name.size() > kPrefix + kMaxDigits) {
    return -1;
  }
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (!std::all_of(name.begin() + kPrefix, name.end(), digit)) return -1;
  return std::stoi(name.substr(kPrefix));
}

// Whether the scheduler lets this process run on `cpu`. Where it does not say, it does.
class Affinity {
 public:
#if defined(__linux__)
  Affinity() {
    // Machines with more CPUs than a static set holds need a larger one; the call says EINVAL.
    constexpr int kMaxCpus = 1 << 16;
    for (cpus_ = 1024; cpus_ <= kMaxCpus; cpus_ *= 2) {
      set_ = CPU_ALLOC(static_cast<size_t>(cpus_));
      if (set_ == nullptr) return;
      const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus_));
      CPU_ZERO_S(bytes, set_);
      if (sched_getaffinity(0, bytes, set_) == 0) return;
      CPU_FREE(set_);
      set_ = nullptr;
    }
  }
  ~Affinity() {
    if (set_ != nullptr) CPU_FREE(set_);
  }
  bool known() const { return set_ != nullptr; }
  bool allows(int cpu) const {
    if (set_ == nullptr) return true;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus_));
    return cpu < cpus_ && CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set_);
  }
  int count() const {
    return set_ == nullptr ? 0 : CPU_COUNT_S(CPU_ALLOC_SIZE(static_cast<size_t>(cpus_)), set_);
  }

 private:
  cpu_set_t* set_ = nullptr;
  int cpus_ = 0;
#else
  Affinity() = default;
  bool known() const { return false; }
  bool allows(int) const { return true; }
  int count() const { return 0; }
#endif
 public:
  Affinity(const Affinity&) = delete;
  Affinity& operator=(const Affinity&) = delete;
};

// Counts cores, and those of them on which this process may run. A core is the set of CPUs that
// name the same siblings.
void read_cores(const std::string& root, ThreadLimits& limits) {
  const Affinity affinity;
  std::set<std::string> cores;
  std::set<std::string> allowed;
  std::error_code error;
  const std::string directory = root + "/sys/devices/system/cpu";
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const int cpu = cpu_number(it->path().filename().string());
    if (cpu < 0) continue;
    const std::string topology = it->path().string() + "/topology/";
    std::string siblings = read_line(topology + "core_cpus_list");
    if (siblings.empty()) siblings = read_line(topology + "thread_siblings_list");
    if (siblings.empty()) continue;  // offline
    cores.insert(siblings);
    if (affinity.allows(cpu)) allowed.insert(siblings);
  }
  limits.physical_cores = static_cast<int>(cores.size());
  if (affinity.known()) {
    limits.affinity = cores.empty() ? affinity.count() : static_cast<int>(allowed.size());
  }
}

void take_least(double quota, double& least) {
  if (quota > 0 && (least == 0 || quota < least)) least = quota;
}

// cgroup v2: "max 100000" or "150000 100000".
double quota_v2(const std::string& directory) {
  std::istringstream line(read_line(directory + "/cpu.max"));
  double quota = 0;
  double period = 0;
  return line >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

// cgroup v1: quota in microseconds, -1 for none.
double quota_v1(const std::string& directory) {
  std::istringstream quota_line(read_line(directory + "/cpu.cfs_quota_us"));
  std::istringstream period_line(read_line(directory + "/cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  if (!(quota_line >> quota) || !(period_line >> period)) return 0;
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The least quota of a cgroup and everything above it, up to the mount point: each bounds what is
// below. In a container the path may be the host's and not exist; its upper end still does.
double least_quota(const std::string& mount, std::string path,
                   double (*read)(const std::string& directory)) {
  double least = 0;
  for (int depth = 0; depth < kMaxCgroupDepth; ++depth) {
    take_least(read(mount + path), least);
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) break;
    path.resize(slash);
  }
  return least;
}

bool lists(const std::string& controllers, const std::string& name) {
  std::istringstream stream(controllers);
  for (std::string item; std::getline(stream, item, ',');) {
    if (item == name) return true;
  }
  return false;
}

// Lines are "hierarchy:controllers:path"; hierarchy 0 with no controllers is cgroup v2.
double read_quota(const std::string& root) {
  const std::string mounts = root + "/sys/fs/cgroup";
  std::ifstream file(root + "/proc/self/cgroup");
  double least = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      take_least(least_quota(mounts, path, quota_v2), least);
      take_least(least_quota(mounts + "/unified", path, quota_v2), least);
    } else if (lists(controllers, "cpu")) {
      take_least(least_quota(mounts + "/" + controllers, path, quota_v1), least);
      if (controllers != "cpu") take_least(least_quota(mounts + "/cpu", path, quota_v1), least);
    }
  }
  return least;
}

}  // namespace

ThreadLimits read_thread_limits(const std::string& root) {
  ThreadLimits limits;
  read_cores(root, limits);
  limits.quota = read_quota(root);
  if (limits.physical_cores == 0 && limits.affinity == 0) {
    limits.affinity = static_cast<int>(std::thread::hardware_concurrency());
  }
  return limits;
}

int default_thread_count(const ThreadLimits& limits) {
  // No machine grants more; keeps the conversion below defined.
  constexpr double kMost = 1 << 20;
  double count = limits.physical_cores > 0 ? limits.physical_cores : kMost;
  if (limits.affinity > 0) count = std::min(count, static_cast<double>(limits.affinity));
  if (limits.quota > 0) count = std::min(count, std::ceil(limits.quota));
  return count >= kMost ? 1 : std::max(1, static_cast<int>(count));
}

}  // namespace fusebert
