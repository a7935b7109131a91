// On Linux by the thread's affinity, which is as before afterwards.
#include "core/processor.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fusebert {
namespace {

// A thread leaves so often at most: the kernel may have its reasons to bring it back.
constexpr std::chrono::milliseconds kLeastStay(1);
constexpr int kProcessors = 1024;
constexpr size_t kCacheLineBytes = 64;

struct alignas(kCacheLineBytes) Count {
  std::atomic<int> threads = 0;
};

// Threads that began on each processor.
std::array<Count, kProcessors> working_on;
// On all of them.
Count working;

std::atomic<int>* count_on(int processor) {
  const bool known = processor >= 0 && processor < kProcessors;
  return known ? &working_on[static_cast<size_t>(processor)].threads : nullptr;
}

int processors() {
  static const int count = static_cast<int>(std::thread::hardware_concurrency());
  return count;
}

bool has_stayed() {
  using Clock = std::chrono::steady_clock;
  static thread_local Clock::time_point last_left;
  const Clock::time_point now = Clock::now();
  if (now - last_left < kLeastStay) return false;
  last_left = now;
  return true;
}

}  // namespace

int current_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

bool leave_processor([[maybe_unused]] int processor) {
#if defined(__linux__)
  // Of machines with more processors than it holds the first call says EINVAL.
  cpu_set_t allowed;
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return false;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<size_t>(processor), &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) != 0) return false;
  return sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
#else
  return false;
#endif
}

WorkPlace::WorkPlace() : processor_(current_processor()) {
  std::atomic<int>* const here = count_on(processor_);
  if (here == nullptr) return;
  const bool too_many = ++working.threads > processors();
  if (++*here == 1 || too_many || !has_stayed() || !leave_processor(processor_)) return;
  const int other = current_processor();
  if (count_on(other) == nullptr) return;
  --*here;
  ++*count_on(other);
  processor_ = other;
}

WorkPlace::~WorkPlace() {
  std::atomic<int>* const here = count_on(processor_);
  if (here == nullptr) return;
  --*here;
  --working.threads;
}

}  // namespace fusebert
