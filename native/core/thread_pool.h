// A fork-join pool: run(n, f) calls f(0) … f(n-1) once each on the pool's threads and returns when
// all are done. The caller is one of the threads. Pools are shared by thread count across the
// process, so that several models (and several worker_threads) do not oversubscribe the machine:
// regions of different callers follow one another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace fusebert {

class ThreadPool {
 public:
  // The process-wide pool with `threads` threads (≥ 1, counting the caller), created at first use
  // and destroyed when its last owner lets go.
  static std::shared_ptr<ThreadPool> shared(int threads);

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Whether threads that wait look again and again for a moment before they sleep. Not when there
  // are more of them than CPUs: they would take the time of those they wait for.
  bool spins() const;

  // Calls task(i) for every i in [0, count), each exactly once. Worker w gets a contiguous, static
  // share of the indices, which is one at most with count <= size(). The caller does the share of
  // a worker that has not come by the time it is done with its own, so tasks must not wait for one
  // another. `task` must not throw and must not call run() of the same pool. Safe to call from
  // several threads: their regions run one after another.
  void run(int64_t count, const std::function<void(int64_t)>& task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fusebert
