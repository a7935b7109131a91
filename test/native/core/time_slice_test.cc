// Threads that compute give way to those that wake; no other thread's turns change.
#include "core/time_slice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "core/thread_pool.h"

namespace fusebert {
namespace {

using std::chrono::nanoseconds;

// What a thread has that asked, where one that did not has `before`: nothing where the system does
// not say.
nanoseconds longer(nanoseconds before) {
  return before == nanoseconds(0) ? before : std::max(before, kComputingSlice);
}

TEST(TimeSlice, IsThatOfTheThreadThatAsked) {
  const nanoseconds before = time_slice();
  nanoseconds own(0);
  std::thread([&] {
    give_way_to_woken_threads();
    own = time_slice();
  }).join();
  EXPECT_EQ(own, longer(before));
  EXPECT_EQ(time_slice(), before);
}

TEST(TimeSlice, IsLongOfThreadsOfAPool) {
  const nanoseconds before = time_slice();
  if (before == nanoseconds(0)) GTEST_SKIP() << "the system has no turns to choose";
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
  EXPECT_EQ(worker, longer(before));
}

}  // namespace
}  // namespace fusebert
