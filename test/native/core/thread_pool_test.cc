// The pool: every index once, static shares, callers one after another, sharing and destruction.
#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/processor.h"
#include "core/thread_count.h"

namespace fusebert {
namespace {

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t count : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      pool.run(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
      for (const auto& call : calls) ASSERT_EQ(call.load(), 1);
    }
  }
}

TEST(ThreadPool, WhatTasksWroteIsSeenByTheCallerAndTheNextRegion) {
  ThreadPool pool(4);
  std::vector<int64_t> values(64, 0);  // plain memory: the regions order the accesses
  for (int round = 0; round < 2000; ++round) {
    pool.run(64, [&](int64_t i) {
      // Reads what another thread wrote in the region before.
      const auto index = static_cast<size_t>(round % 2 == 0 ? i : 63 - i);
      values[index] += static_cast<int64_t>(index) + 1;
    });
  }
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(values[i], 2000 * (static_cast<int64_t>(i) + 1));
}

// Waits until `done` or for seconds: in tests only may a task wait for another.
template <class Done>
void wait_until(const Done& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
}

TEST(ThreadPool, UpToItsSizeThereIsAThreadForEveryIndex) {
  ThreadPool pool(4);
  for (const int64_t count : {2, 3, 4}) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::atomic<int64_t> begun{0};
    pool.run(count, [&](int64_t) {
      {
        const std::lock_guard<std::mutex> lock(mutex);
        threads.insert(std::this_thread::get_id());
      }
      ++begun;
      wait_until([&] { return begun == count; });
    });
    EXPECT_EQ(static_cast<int64_t>(threads.size()), count);
  }
}

TEST(ThreadPool, SharesAreContiguous) {
  ThreadPool pool(3);
  std::vector<std::thread::id> owner(100);
  pool.run(100, [&](int64_t i) { owner[static_cast<size_t>(i)] = std::this_thread::get_id(); });
  for (size_t i = 1; i < owner.size(); ++i) {
    const bool another_share = i == 33 || i == 66;
    EXPECT_TRUE(another_share || owner[i] == owner[i - 1]) << i;
  }
}

#if defined(__linux__)

// On one processor a worker that was woken runs when the caller gives way, which is seldom within a
// region as short as this. Without a caller that does late shares it would have to in each.
TEST(ThreadPool, NobodyWaitsForAWorkerThatIsLate) {
  // The first pool of a process counts the processors that there are for all.
  const ThreadPool first(1);
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(current_processor()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  int done_by_the_caller = 0;
  {
    ThreadPool pool(2);  // its worker may run where this thread may
    for (int round = 0; round < 1000; ++round) {
      std::atomic<int> mine{0};
      const std::thread::id caller = std::this_thread::get_id();
      pool.run(2, [&](int64_t) { mine += std::this_thread::get_id() == caller ? 1 : 0; });
      done_by_the_caller += mine == 2 ? 1 : 0;
    }
  }
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_GT(done_by_the_caller, 0);
}

#endif

TEST(ThreadPool, WorkersThatFellAsleepWakeUp) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> begun{0};
    std::atomic<int> by_workers{0};
    pool.run(3, [&](int64_t) {
      by_workers += std::this_thread::get_id() == caller ? 0 : 1;
      ++begun;
      wait_until([&] { return begun == 3; });
    });
    EXPECT_EQ(by_workers.load(), 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(ThreadPool, ACallerWaitsForASlowWorker) {
  ThreadPool pool(2);
  int slow = 0;  // plain: its end is before the region's
  std::atomic<bool> begun{false};
  std::thread::id worker;
  pool.run(2, [&](int64_t i) {
    if (i == 0) return wait_until([&] { return begun.load(); });
    worker = std::this_thread::get_id();
    begun = true;
    // Longer than the caller watches before it sleeps.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    slow = 1;
  });
  EXPECT_EQ(slow, 1);
  EXPECT_NE(worker, std::this_thread::get_id());
}

TEST(ThreadPool, RegionsOfSeveralCallersFollowOneAnother) {
  ThreadPool pool(3);
  int inside = 0;  // plain: regions exclude each other
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        pool.run(3, [&](int64_t i) {
          if (i == 0) ++inside;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(inside, 4 * 200);
}

TEST(ThreadPool, IsSharedByThreadCount) {
  const auto two = ThreadPool::shared(2);
  EXPECT_EQ(two.get(), ThreadPool::shared(2).get());
  EXPECT_NE(two.get(), ThreadPool::shared(3).get());
  EXPECT_EQ(ThreadPool::shared(0)->size(), 1);
}

TEST(ThreadPool, DiesWithItsLastOwner) {
  std::weak_ptr<ThreadPool> pool = ThreadPool::shared(7);
  EXPECT_TRUE(pool.expired());
  const auto again = ThreadPool::shared(7);
  EXPECT_EQ(again->size(), 7);
}

TEST(ThreadPool, CanBeCreatedAndDestroyedAtOnce) {
  for (int round = 0; round < 50; ++round) ThreadPool pool(4);
}

TEST(ThreadPool, SpinsOnlyWhileThereAreCpusForAll) {
  const int cpus = default_thread_count(read_thread_limits());
  EXPECT_TRUE(ThreadPool(1).spins());
  EXPECT_TRUE(ThreadPool(cpus).spins());
  EXPECT_FALSE(ThreadPool(cpus + 1).spins());
}

}  // namespace
}  // namespace fusebert
