// fusebert_cpu_bench: what the CPU's kernels reach, one line of JSON a result.
//
//   peak --threads N --milliseconds N     the register-only multiply-add peak
//   operations --threads N --rounds N     every operation, with the peak before each of its runs
//
// FUSEBERT_CPU_ISA forces an instruction set, as it does for the addon.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/operations.h"
#include "cpu/peak.h"

namespace fusebert::cpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxThreads = 1024;
constexpr int kMaxRounds = 1000;
constexpr int kMaxMilliseconds = 60'000;
// Before each run of an operation: clocks drift, and a share is of the peak of the moment.
constexpr double kPeakSeconds = 0.05;

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

// The number after `name`, within [1, most]; `fallback` where it is absent, 0 where it is not one.
int number_option(const std::map<std::string, std::string>& options, const std::string& name,
                  int fallback, int most) {
  const auto found = options.find(name);
  if (found == options.end()) return fallback;
  const int value = std::atoi(found->second.c_str());
  return value >= 1 && value <= most ? value : 0;
}

void print_numbers(const char* name, const std::vector<double>& values) {
  std::printf("\"%s\":[", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf(i == 0 ? "%.9g" : ",%.9g", values[i]);
  std::printf("]");
}

int run_peak(const Kernels& kernels, ThreadPool& pool, int milliseconds) {
  const double flops = measure_peak(peak_loop(kernels.isa), pool, milliseconds / 1e3);
  std::printf("{\"isa\":\"%s\",\"threads\":%d,\"gflops\":%.9g}\n", kernels.isa, pool.size(),
              flops / 1e9);
  return 0;
}

int run_operations(const Kernels& kernels, const std::shared_ptr<ThreadPool>& pool, int rounds) {
  const auto operations = Operations::create(kernels, pool);
  if (!operations.ok()) return fail(operations.status().message());
  const std::vector<Operation> list = operations.value()->list();
  std::vector<std::vector<double>> seconds(list.size());
  std::vector<std::vector<double>> peaks(list.size());
  for (const Operation& operation : list) operation.run();
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < list.size(); ++i) {
      peaks[i].push_back(measure_peak(peak_loop(kernels.isa), *pool, kPeakSeconds) / 1e9);
      const auto begin = Clock::now();
      list[i].run();
      const std::chrono::duration<double> elapsed = Clock::now() - begin;
      seconds[i].push_back(elapsed.count() / static_cast<double>(Operations::layers()));
    }
  }
  const auto layers = static_cast<double>(Operations::layers());
  for (size_t i = 0; i < list.size(); ++i) {
    std::printf("{\"isa\":\"%s\",\"threads\":%d,\"name\":\"%s\",\"flop\":%.0f,\"bytes\":%.0f,",
                kernels.isa, pool->size(), list[i].name.c_str(), list[i].flop / layers,
                list[i].bytes / layers);
    print_numbers("seconds", seconds[i]);
    std::printf(",");
    print_numbers("peak_gflops", peaks[i]);
    std::printf("}\n");
  }
  return 0;
}

int run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  std::map<std::string, std::string> options;
  for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const int threads = number_option(options, "--threads", 1, kMaxThreads);
  const int rounds = number_option(options, "--rounds", 7, kMaxRounds);
  const int milliseconds = number_option(options, "--milliseconds", 200, kMaxMilliseconds);
  if (threads == 0 || rounds == 0 || milliseconds == 0) return fail("Expected positive numbers.");
  const auto kernels = select_kernels();
  if (!kernels.ok()) return fail(kernels.status().message());
  const auto pool = ThreadPool::shared(threads);
  if (command == "peak") return run_peak(*kernels.value(), *pool, milliseconds);
  if (command == "operations") return run_operations(*kernels.value(), pool, rounds);
  return fail("Usage: fusebert_cpu_bench peak|operations [--threads N] [--rounds N] "
              "[--milliseconds N]");
}

}  // namespace
}  // namespace fusebert::cpu

int main(int argc, char** argv) { return fusebert::cpu::run(argc, argv); }
