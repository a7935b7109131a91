// On Linux by the thread's affinity, which is the same again afterwards. (If somebody else changes
// it at that very moment, that is lost; and since Linux 6.2 the thread has a mask of its own from
// then on, to which a later change of its cpuset cannot add.)
#include "core/processor.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/cache_line.h"

namespace fusebert {
namespace {

// Leaving costs some tens of microseconds; and the kernel may have its reasons to bring a thread
// back.
constexpr std::chrono::milliseconds kLeastStay(1);
constexpr int kProcessors = 1024;

struct alignas(kCacheLineBytes) Count {
  std::atomic<int> threads = 0;
};

// Threads that began on each processor.
std::array<Count, kProcessors> working_on;

std::atomic<int>* count_on(int processor) {
  const bool known = processor >= 0 && processor < kProcessors;
  return known ? &working_on[static_cast<size_t>(processor)].threads : nullptr;
}

// Notes that this thread leaves if it may.
bool may_leave() {
  using Clock = std::chrono::steady_clock;
  static thread_local Clock::time_point last_left;
  const Clock::time_point now = Clock::now();
  if (now - last_left < kLeastStay) return false;
  last_left = now;
  return true;
}

// To another processor that the thread may run on and `wanted` says yes to.
template <class Wanted>
bool leave_for([[maybe_unused]] int processor, [[maybe_unused]] const Wanted& wanted) {
#if defined(__linux__)
  if (!may_schedule()) return false;
  // Of machines with more processors than it holds the first call says EINVAL.
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return false;
  cpu_set_t others;
  CPU_ZERO(&others);
  for (int other = 0; other < CPU_SETSIZE; ++other) {
    const auto index = static_cast<size_t>(other);
    const bool is_another = other != processor && CPU_ISSET(index, &allowed);
    if (is_another && wanted(other)) CPU_SET(index, &others);
  }
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) != 0) return false;
  return sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
#else
  return false;
#endif
}

}  // namespace

bool may_schedule() {
  static const bool may = [] {
    const char* const said = std::getenv("FUSEBERT_SCHEDULING");
    return said == nullptr || std::string_view(said) != "none";
  }();
  return may;
}

int current_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

bool leave_processor(int processor) {
  return count_on(processor) != nullptr && leave_for(processor, [](int) { return true; });
}

WorkPlace::WorkPlace() : processor_(current_processor()) {
  std::atomic<int>* const here = count_on(processor_);
  if (here == nullptr || ++*here == 1 || !may_leave()) return;
  const auto is_free = [](int other) {
    const std::atomic<int>* const count = count_on(other);
    return count != nullptr && *count == 0;
  };
  if (!leave_for(processor_, is_free)) return;
  const int other = current_processor();
  if (count_on(other) == nullptr) return;
  --*here;
  ++*count_on(other);
  processor_ = other;
}

WorkPlace::~WorkPlace() {
  if (std::atomic<int>* const here = count_on(processor_)) --*here;
}

}  // namespace fusebert
