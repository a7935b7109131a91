// Runs the loop of peak.h on all threads at once.
#include "cpu/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

namespace fusebert::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Some hundred microseconds: enough not to notice the clock.
constexpr int64_t kSteps = 50'000;
constexpr float kFactor = 0.5f;
constexpr float kAddend = 1.0f;

// Where the loops' results go, so that they have to be computed.
std::atomic<float> sink;

}  // namespace

const PeakLoop& peak_loop(const char* isa) {
#if FUSEBERT_X86_64
  for (const PeakLoop* loop : {&kAvx512Peak, &kAvx2Peak}) {
    if (std::strcmp(loop->isa, isa) == 0) return *loop;
  }
#endif
#if FUSEBERT_AARCH64
  if (std::strcmp(kNeonPeak.isa, isa) == 0) return kNeonPeak;
#endif
  return kScalarPeak;
}

double measure_peak(const PeakLoop& loop, ThreadPool& pool, double seconds) {
  std::atomic<int64_t> steps{0};
  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  pool.run(pool.size(), [&](int64_t) {
    do {
      sink.store(loop.run(kSteps, kFactor, kAddend), std::memory_order_relaxed);
      steps.fetch_add(kSteps, std::memory_order_relaxed);
    } while (elapsed() < seconds);
  });
  return static_cast<double>(steps.load()) * static_cast<double>(loop.step_flop) / elapsed();
}

}  // namespace fusebert::cpu
