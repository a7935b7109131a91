// Every unit is dealt out once, in order to its owner, also when threads are fast, slow or absent.
#include "cpu/work_queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fusebert::cpu {
namespace {

TEST(ThreadPoolWorkQueue, EveryUnitIsDealtOutOnceToRacingThreads) {
  constexpr int64_t kThreads = 4;
  WorkQueue queue(kThreads);
  for (const int64_t count : {0, 1, 3, 4, 5, 1000}) {
    queue.reset(count);
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    std::vector<std::thread> threads;
    for (int64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back(
          [&, t] { queue.work(t, [&](int64_t unit) { ++calls[static_cast<size_t>(unit)]; }); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& call : calls) ASSERT_EQ(call.load(), 1);
  }
}

TEST(ThreadPoolWorkQueue, AnOwnerGoesForwardAndThenTakesFromOthersEnds) {
  WorkQueue queue(2);
  queue.reset(6);
  std::vector<int64_t> order;
  queue.work(0, [&](int64_t unit) { order.push_back(unit); });
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 5, 4, 3}));
}

TEST(ThreadPoolWorkQueue, NothingIsLeftForWhoComesLate) {
  WorkQueue queue(3);
  queue.reset(10);
  queue.work(1, [](int64_t) {});
  queue.work(2, [](int64_t unit) { FAIL() << unit; });
}

}  // namespace
}  // namespace fusebert::cpu
