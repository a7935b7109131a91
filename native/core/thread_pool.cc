// Fork-join with atomics: a region is announced by a counter that the workers watch, and its end by
// a count of shares that are still to be done. Everybody watches for a moment, because the next
// region of an encoder comes within microseconds, and then sleeps.
//
// A share is done by who claims it: its worker, or the caller when it is done with its own. So
// nobody waits for a worker that the system has not let run yet, for milliseconds where somebody
// else's thread has its processor; it finds nothing to claim. Claims are numbers of regions that
// only grow, and the caller leaves no share of a region unclaimed: who can claim one of region r
// knows that r has not ended.
//
// Sleeping and waking cannot miss each other: a sleeper first says that it sleeps and then looks at
// the counter once more; a waker first moves the counter and then looks for sleepers; all four are
// sequentially consistent. Each worker sleeps on a condition of its own: with one for all, glibc
// before 2.41 lets who notifies wait for everybody whom it woke the last time.
#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/cache_line.h"
#include "core/processor.h"
#include "core/thread_count.h"
#include "core/time_slice.h"

namespace fusebert {
namespace {

// How long a thread watches before it sleeps: about what it takes to wake it, 20 µs on a processor
// that is awake and some hundreds on a virtual one that the host has put to sleep. So it does not
// sleep between the regions of a small encoder, nor between calls that follow each other at once.
constexpr std::chrono::microseconds kSpinTime{150};
// Pauses between two looks at the clock.
constexpr int kSpinsPerClock = 32;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Watches until done() or, if `spin`, for kSpinTime; says whether done() was seen.
template <class Done>
bool watch(bool spin, const Done& done) {
  if (done()) return true;
  if (!spin) return false;
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kSpinsPerClock; ++i) {
      pause();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

// CPUs that this process really has; where a pool is larger, watching would steal a thread's time
// from the one it waits for.
int available_cpus() {
  static const int count = default_thread_count(read_thread_limits());
  return count;
}

}  // namespace

struct ThreadPool::State {
  // Of the worker with the same number; the caller's, which is the first, is never claimed.
  struct alignas(kCacheLineBytes) Share {
    std::atomic<uint64_t> claimed{0};  // the latest region in which it was
    std::atomic<bool> sleeps{false};
    std::mutex mutex;
    std::condition_variable awake;
  };

  std::vector<std::thread> workers;
  std::vector<Share> shares;
  int size = 1;
  bool spin = false;

  std::mutex region_mutex;  // held by the caller whose region runs

  // Written before `region` moves, read by who has claimed a share of it only.
  const std::function<void(int64_t)>* task = nullptr;
  int64_t count = 0;

  alignas(kCacheLineBytes) std::atomic<uint64_t> region{0};
  alignas(kCacheLineBytes) std::atomic<int> undone{0};  // shares of the region
  std::atomic<bool> stopping{false};

  std::atomic<int> sleeping_workers{0};
  std::mutex caller_mutex;
  std::condition_variable region_ended;
  std::atomic<bool> caller_sleeps{false};

  void work(int worker);
  bool claim(int worker, uint64_t in_region);
  void run_share(int worker);
  void run_late_shares();
  void begin_region();
  void wake_sleepers();
  void end_share();
  void wait_for_end();
};

// Worker w of n: indices [count·w/n, count·(w+1)/n). With count ≤ n no share has more than one.
void ThreadPool::State::run_share(int worker) {
  const int64_t end = count * (worker + 1) / size;
  for (int64_t i = count * worker / size; i < end; ++i) (*task)(i);
}

bool ThreadPool::State::claim(int worker, uint64_t in_region) {
  std::atomic<uint64_t>& claimed = shares[static_cast<size_t>(worker)].claimed;
  uint64_t last = claimed.load();
  return last < in_region && claimed.compare_exchange_strong(last, in_region);
}

void ThreadPool::State::work(int worker) {
  give_way_to_woken_threads();
  uint64_t seen = 0;
  Share& share = shares[static_cast<size_t>(worker)];
  const auto moved = [&] { return region.load() != seen || stopping.load(); };
  for (;;) {
    if (!watch(spin, moved)) {
      std::unique_lock<std::mutex> lock(share.mutex);
      share.sleeps = true;
      ++sleeping_workers;
      share.awake.wait(lock, moved);
      --sleeping_workers;
      share.sleeps = false;
    }
    if (stopping.load()) return;
    seen = region.load();
    if (share.claimed.load() >= seen) continue;
    {
      // Before the claim: moving may take a while, in which the caller can still do the share.
      const WorkPlace place;
      if (!claim(worker, seen)) continue;
      run_share(worker);
    }
    end_share();
  }
}

void ThreadPool::State::begin_region() {
  undone.store(size - 1);
  ++region;
  if (sleeping_workers.load() != 0) wake_sleepers();
}

void ThreadPool::State::wake_sleepers() {
  for (Share& share : shares) {
    if (!share.sleeps.load()) continue;
    // Taking the mutex waits for a worker between its last look and its sleep.
    { const std::lock_guard<std::mutex> lock(share.mutex); }
    share.awake.notify_one();
  }
}

void ThreadPool::State::run_late_shares() {
  if (undone.load() == 0) return;
  const uint64_t current = region.load();
  for (int worker = 1; worker < size; ++worker) {
    if (!claim(worker, current)) continue;
    run_share(worker);
    --undone;
  }
}

void ThreadPool::State::end_share() {
  if (--undone != 0 || !caller_sleeps.load()) return;
  { const std::lock_guard<std::mutex> lock(caller_mutex); }
  region_ended.notify_one();
}

void ThreadPool::State::wait_for_end() {
  const auto ended = [&] { return undone.load() == 0; };
  if (watch(spin, ended)) return;
  std::unique_lock<std::mutex> lock(caller_mutex);
  caller_sleeps = true;
  region_ended.wait(lock, ended);
  caller_sleeps = false;
}

std::shared_ptr<ThreadPool> ThreadPool::shared(int threads) {
  // Leaked: the process may exit while workers run, and static destructors must not meet them.
  static auto* const mutex = new std::mutex;
  static auto* const pools = new std::map<int, std::weak_ptr<ThreadPool>>;
  threads = std::max(threads, 1);
  const std::lock_guard<std::mutex> lock(*mutex);
  std::weak_ptr<ThreadPool>& entry = (*pools)[threads];
  std::shared_ptr<ThreadPool> pool = entry.lock();
  if (pool == nullptr) {
    pool = std::make_shared<ThreadPool>(threads);
    entry = pool;
  }
  return pool;
}

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  State& state = *state_;
  threads = std::max(threads, 1);
  state.spin = threads <= available_cpus();
  // Workers read `size` and `shares` in their first region, which begins after this constructor.
  state.shares = std::vector<State::Share>(static_cast<size_t>(threads));
  state.workers.reserve(static_cast<size_t>(threads) - 1);
  for (int worker = 1; worker < threads; ++worker) {
    try {
      state.workers.emplace_back([&state, worker] { state.work(worker); });
    } catch (const std::system_error&) {
      break;  // the system allows no more threads: fewer do the same work
    }
  }
  state.size = static_cast<int>(state.workers.size()) + 1;
}

ThreadPool::~ThreadPool() {
  state_->stopping = true;
  state_->wake_sleepers();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::size() const { return state_->size; }

bool ThreadPool::spins() const { return state_->spin; }

void ThreadPool::run(int64_t count, const std::function<void(int64_t)>& task) {
  if (count <= 0) return;
  State& state = *state_;
  const std::lock_guard<std::mutex> lock(state.region_mutex);
  if (state.size == 1 || count == 1) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  // Until the end of the region, also while it waits there: the workers are to go elsewhere. Before
  // them, since the one that begins later leaves.
  const WorkPlace place;
  state.task = &task;
  state.count = count;
  state.begin_region();
  state.run_share(0);
  state.run_late_shares();
  state.wait_for_end();
}

}  // namespace fusebert
