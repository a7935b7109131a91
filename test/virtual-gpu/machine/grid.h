// A launch: a program, its parameters, and the blocks that run it on the host's threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "machine/counters.h"
#include "machine/global_races.h"
#include "machine/hazard.h"
#include "machine/memory.h"
#include "machine/ordering.h"
#include "program/op.h"

namespace virtual_gpu {

struct LaunchShape {
  std::uint32_t grid[3] = {1, 1, 1};
  std::uint32_t block[3] = {1, 1, 1};
  std::uint32_t dynamic_shared_bytes = 0;

  std::uint64_t blocks() const { return std::uint64_t{grid[0]} * grid[1] * grid[2]; }
  std::uint32_t threads() const { return block[0] * block[1] * block[2]; }
};

/// What of the device a kernel can see.
struct MachineShape {
  std::uint32_t multiprocessors = 1;
  std::uint32_t resident_blocks = 1;   // of this kernel, on the whole device
  std::uint32_t architecture = 80;
  std::uint32_t host_threads = 2;
  std::uint64_t max_instructions = 0;  // of a host thread in this launch; 0: no limit
  std::uint64_t grid_workspace = 0;    // of a cooperative launch: where its barrier counts
};

class Grid {
 public:
  Grid(const Program& program, std::vector<std::byte> parameters, LaunchShape shape,
       MachineShape machine, Memory& memory, std::uint64_t seed);

  ~Grid();

  /// Runs all blocks. Throws the first DeviceFault.
  void run();

  const Program& program() const { return program_; }
  const LaunchShape& shape() const { return shape_; }
  const MachineShape& machine() const { return machine_; }
  Memory& memory() { return memory_; }
  GlobalRaces& races() { return races_; }
  /// What blocks have told each other.
  ReleasedWords& released() { return released_; }
  const std::vector<std::byte>& parameters() const { return parameters_; }
  std::uint32_t shared_bytes() const;
  /// The added-up counters, after `run`.
  const Counters& counters() const { return total_; }

  /// Remembers where undefined bits come from; the number stands for the sentence.
  std::uint32_t add_origin(const std::string& sentence);
  std::string origin(std::uint32_t number) const;
  /// Fills in what a hazard at this instruction can say about the program.
  void locate(Hazard& hazard, const Op& op) const;

 private:
  struct Worker;
  std::optional<std::uint64_t> take_block();
  std::size_t first_blocks(Worker& worker) const;
  void work(Worker& worker);
  bool all_idle() const;
  void stop_with(std::exception_ptr fault);
  std::uint64_t progress() const;

  const Program& program_;
  std::vector<std::byte> parameters_;
  LaunchShape shape_;
  MachineShape machine_;
  Memory& memory_;
  GlobalRaces races_;
  ReleasedWords released_;
  std::uint64_t seed_;
  Counters total_;
  std::uint64_t next_block_ = 0;
  std::uint64_t resident_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::exception_ptr fault_;
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> origins_;
  std::unordered_map<std::string, std::uint32_t> origin_numbers_;
};

}  // namespace virtual_gpu
