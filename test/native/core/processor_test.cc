// A thread that leaves its processor goes on with another, and with the affinity that it had.
#include "core/processor.h"

#include <gtest/gtest.h>

#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fusebert {
namespace {

#if defined(__linux__)

cpu_set_t allowed() {
  cpu_set_t set;
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  return set;
}

// Runs on one processor from here on. Returns it.
int stay_here() {
  const int here = current_processor();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(here), &one);
  EXPECT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  return current_processor();
}

TEST(Processor, IsLeftForAnother) {
  const cpu_set_t before = allowed();
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "there is one processor";
  const int here = stay_here();
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_TRUE(leave_processor(here));
  const cpu_set_t after = allowed();
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Processor, IsNotLeftWhereThereIsNoOther) {
  const cpu_set_t before = allowed();
  const int here = stay_here();
  EXPECT_FALSE(leave_processor(here));
  EXPECT_EQ(current_processor(), here);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

// Both threads are put on one processor. The first works there, asleep or not, when the second
// begins, which may run on all.
TEST(WorkPlace, IsNotWhereAnotherThreadWorks) {
  const cpu_set_t before = allowed();
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "there is one processor";
  const int here = stay_here();
  int there = here;
  bool same_affinity = false;
  {
    const WorkPlace mine;
    std::thread([&] {
      EXPECT_EQ(current_processor(), here);
      // Allowed everything again, it stays where it is until somebody moves it.
      EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
      const WorkPlace theirs;
      there = current_processor();
      const cpu_set_t after = allowed();
      same_affinity = CPU_EQUAL(&before, &after);
    }).join();
  }
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_NE(there, here);
  EXPECT_TRUE(same_affinity);
}

#endif

TEST(Processor, NobodyIsOnIsNotLeft) {
  EXPECT_FALSE(leave_processor(-1));
  EXPECT_FALSE(leave_processor(1 << 30));
}

}  // namespace
}  // namespace fusebert
