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
  constexpr int kTries = 20;
  bool left = false;
  for (int i = 0; i < kTries && !left; ++i) {
    EXPECT_TRUE(leave_processor(here));
    left = current_processor() != here;
  }
  EXPECT_TRUE(left);
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

// Where a second thread works that is put on the processor of this one, which works there, asleep
// or not, and may run on `all` after that.
int place_of_a_second_thread(const cpu_set_t& all, int here) {
  int there = -1;
  const WorkPlace mine;
  std::thread([&] {
    EXPECT_EQ(current_processor(), here);
    // Allowed everything again, it stays where it is until somebody moves it.
    EXPECT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
    const WorkPlace theirs;
    there = current_processor();
    const cpu_set_t after = allowed();
    EXPECT_TRUE(CPU_EQUAL(&all, &after));
  }).join();
  return there;
}

TEST(WorkPlace, IsNotWhereAnotherThreadWorks) {
  const cpu_set_t before = allowed();
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "there is one processor";
  const int here = stay_here();
  // The system may bring it back at once where the other processor is busy.
  constexpr int kTries = 20;
  int there = here;
  for (int i = 0; i < kTries && there == here; ++i) there = place_of_a_second_thread(before, here);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_NE(there, here);
}

TEST(WorkPlace, StaysWhereThereIsNoOther) {
  const cpu_set_t before = allowed();
  const int here = stay_here();
  cpu_set_t one = allowed();
  EXPECT_EQ(place_of_a_second_thread(one, here), here);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

#endif

TEST(Processor, NobodyIsOnIsNotLeft) {
  EXPECT_FALSE(leave_processor(-1));
  EXPECT_FALSE(leave_processor(1 << 30));
}

}  // namespace
}  // namespace fusebert
