// Limits read from made-up /sys and /proc trees, and how they combine.
#include "core/thread_count.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fusebert {
namespace {

class ThreadCount : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ::testing::TempDir() + "fusebert-threads-" + std::to_string(getpid());
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  void cpu(int number, const std::string& siblings, const std::string& file = "core_cpus_list") {
    write("/sys/devices/system/cpu/cpu" + std::to_string(number) + "/topology/" + file, siblings);
  }
  double quota() { return read_thread_limits(root_).quota; }

  std::string root_;
};

TEST_F(ThreadCount, HyperThreadsAreOneCore) {
  for (int i = 0; i < 8; ++i) cpu(i, std::to_string(i % 4) + "," + std::to_string(i % 4 + 4));
  write("/sys/devices/system/cpu/cpufreq/policy0/x", "");
  write("/sys/devices/system/cpu/cpuidle/x", "");
  EXPECT_EQ(read_thread_limits(root_).physical_cores, 4);
}

TEST_F(ThreadCount, OlderKernelsNameSiblingsDifferently) {
  cpu(0, "0-1", "thread_siblings_list");
  cpu(1, "0-1", "thread_siblings_list");
  cpu(2, "2-3", "thread_siblings_list");
  cpu(3, "2-3", "thread_siblings_list");
  EXPECT_EQ(read_thread_limits(root_).physical_cores, 2);
}

TEST_F(ThreadCount, AffinityCountsCoresNotHyperThreads) {
  // Every CPU that this process may use belongs to one core.
  for (int i = 0; i < 4096; ++i) {
    if (i < 64) cpu(i, "0-63");
  }
  const ThreadLimits limits = read_thread_limits(root_);
  EXPECT_EQ(limits.physical_cores, 1);
  EXPECT_LE(limits.affinity, 1);
}

TEST_F(ThreadCount, NothingToReadMeansNoLimitButAffinity) {
  const ThreadLimits limits = read_thread_limits(root_);
  EXPECT_EQ(limits.physical_cores, 0);
  EXPECT_GE(limits.affinity, 1);
  EXPECT_EQ(limits.quota, 0);
}

TEST_F(ThreadCount, VersionTwoQuota) {
  write("/proc/self/cgroup", "0::/a/b");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  EXPECT_EQ(quota(), 0);
  write("/sys/fs/cgroup/a/b/cpu.max", "150000 100000");
  EXPECT_DOUBLE_EQ(quota(), 1.5);
}

TEST_F(ThreadCount, TheTightestAncestorCounts) {
  write("/proc/self/cgroup", "0::/a/b/c");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000");
  write("/sys/fs/cgroup/a/cpu.max", "200000 100000");
  EXPECT_DOUBLE_EQ(quota(), 2);
  write("/sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_DOUBLE_EQ(quota(), 0.5);
}

TEST_F(ThreadCount, InAContainerThePathMayBeTheHosts) {
  write("/proc/self/cgroup", "0::/system.slice/docker-123.scope");
  write("/sys/fs/cgroup/cpu.max", "300000 100000");
  EXPECT_DOUBLE_EQ(quota(), 3);
}

TEST_F(ThreadCount, VersionOneQuota) {
  write("/proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/a");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(), 0);
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_DOUBLE_EQ(quota(), 2.5);
}

TEST_F(ThreadCount, NonsenseIsNoLimit) {
  write("/proc/self/cgroup", "no colons\n0::/a\n7:cpu:/b");
  write("/sys/fs/cgroup/a/cpu.max", "many few");
  write("/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "100");
  EXPECT_EQ(quota(), 0);
  write("/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "0");
  EXPECT_EQ(quota(), 0);
  cpu(0, "");
  EXPECT_EQ(read_thread_limits(root_).physical_cores, 0);
}

TEST_F(ThreadCount, TheLeastLimitWinsAndIsAtLeastOne) {
  EXPECT_EQ(default_thread_count({8, 16, 0}), 8);
  EXPECT_EQ(default_thread_count({8, 4, 0}), 4);
  EXPECT_EQ(default_thread_count({8, 4, 2.5}), 3);
  EXPECT_EQ(default_thread_count({8, 4, 0.1}), 1);
  EXPECT_EQ(default_thread_count({0, 0, 0}), 1);
  EXPECT_EQ(default_thread_count({0, 6, 0}), 6);
}

TEST_F(ThreadCount, TheRunningSystemGrantsAtLeastOne) {
  EXPECT_GE(default_thread_count(read_thread_limits()), 1);
}

}  // namespace
}  // namespace fusebert
