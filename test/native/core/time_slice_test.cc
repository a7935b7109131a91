// Threads that compute give way to those that wake; no other thread's turns change.
#include "core/time_slice.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <thread>

#include "core/thread_pool.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/utsname.h>
#endif

namespace fusebert {
namespace {

using std::chrono::nanoseconds;

// Whether the system has turns that threads may choose.
bool has_slices() {
#if defined(__linux__)
  utsname system = {};
  int major = 0;
  int minor = 0;
  if (uname(&system) != 0) return false;
  if (std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return (major > 6 || (major == 6 && minor >= 12)) && sched_getscheduler(0) == SCHED_OTHER;
#else
  return false;
#endif
}

TEST(TimeSlice, IsThatOfTheThreadThatAsked) {
  const nanoseconds before = time_slice();
  nanoseconds own(0);
  std::thread([&] {
    give_way_to_woken_threads();
    own = time_slice();
  }).join();
  if (has_slices()) {
    EXPECT_GT(own, before);
  } else {
    EXPECT_EQ(own, before);
  }
  EXPECT_EQ(time_slice(), before);
}

TEST(TimeSlice, IsLongOfThreadsOfAPool) {
  const nanoseconds before = time_slice();
  ThreadPool pool(2);
  nanoseconds caller(0);
  nanoseconds worker(0);
  const auto self = std::this_thread::get_id();
  // The caller does a worker's share where that is late.
  for (int tries = 0; tries < 1'000 && worker == nanoseconds(0); ++tries) {
    pool.run(2, [&](int64_t i) {
      if (i == 0) caller = time_slice();
      else if (std::this_thread::get_id() != self) worker = time_slice();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    });
  }
  EXPECT_EQ(caller, before);
  if (has_slices()) {
    EXPECT_GT(worker, before);
  }
}

}  // namespace
}  // namespace fusebert
