#include "machine/grid.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "machine/block.h"

namespace virtual_gpu {
namespace {

// Warp instructions that a block runs before its worker looks at another.
constexpr std::uint64_t kMaxSlice = 4096;
// So many without a change of memory, a barrier or an exit let one more block start: the others may
// be waiting for it. Where they change memory while they wait, it takes longer.
constexpr std::uint64_t kPatience = 200'000;
constexpr std::uint64_t kLongPatience = 20 * kPatience;
// So many of each warp, on every host thread, without such a change are a hang, if every warp waits
// or looks at memory that others may change at least that often. One that does not computes; that
// may take longer, but not for ever.
constexpr std::uint64_t kHangInstructions = 1'000'000;
constexpr std::uint64_t kPollInstructions = 20'000;
constexpr std::uint64_t kLongComputation = 200'000'000;
constexpr std::uint32_t kMaxFirstBlocks = 3;

/// A number that has no factor in common with `count`, so that its multiples visit all.
std::uint64_t stride_for(std::uint64_t count, std::uint64_t seed) {
  std::uint64_t stride = seed % count + 1;
  while (std::gcd(stride, count) != 1) ++stride;
  return stride;
}

}  // namespace

bool computes(const Block& block) {
  return std::any_of(block.warps().begin(), block.warps().end(), [](const auto& warp) {
    return warp->ready() && warp->ran_since_poll() > kPollInstructions;
  });
}

/// One host thread of a launch.
struct Grid::Worker {
  Worker(std::size_t ops, std::uint64_t seed) : counters(ops), random(seed) {}

  Counters counters;
  std::mt19937_64 random;
  // Instructions of each of its warps since anything last changed; the most for who has no block.
  std::atomic<std::uint64_t> idle = 0;
};

Grid::Grid(const Program& program, std::vector<std::byte> parameters, LaunchShape shape,
           MachineShape machine, Memory& memory, std::uint64_t seed)
    : program_(program),
      parameters_(std::move(parameters)),
      shape_(shape),
      machine_(machine),
      memory_(memory),
      races_(program.global_cell_bytes),
      seed_(seed),
      total_(program.ops.size()) {
  origins_.emplace_back("an unknown place");
}

Grid::~Grid() = default;

std::uint32_t Grid::shared_bytes() const {
  return program_.dynamic_shared_offset + shape_.dynamic_shared_bytes;
}

void Grid::run() {
  const auto count = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(machine_.host_threads, shape_.blocks()));
  for (std::uint32_t i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(program_.ops.size(), seed_ * 31 + i));
  }
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 1; i < count; ++i) {
      threads.emplace_back([this, i] { work(*workers_[i]); });
    }
    work(*workers_[0]);
  }
  for (const auto& worker : workers_) total_.add(worker->counters);
  if (fault_) std::rethrow_exception(fault_);
}

/// The next block to start, in a seeded order; none when all have been or the device is full.
std::optional<std::uint64_t> Grid::take_block() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t count = shape_.blocks();
  if (next_block_ >= count || resident_ >= machine_.resident_blocks) return std::nullopt;
  ++resident_;
  const std::uint64_t position = next_block_++;
  __extension__ typedef unsigned __int128 Wide;
  return static_cast<std::uint64_t>((Wide{position} * stride_for(count, seed_) + seed_ % count) %
                                    count);
}

/// How many blocks a worker starts with. The blocks of a cooperative launch are all there from its
/// beginning, as on a device; of others the next starts when those before it end or get stuck.
std::size_t Grid::first_blocks(Worker& worker) const {
  const bool cooperative = machine_.grid_workspace != 0;
  return cooperative ? (shape_.blocks() + workers_.size() - 1) / workers_.size()
                     : 1 + worker.random() % kMaxFirstBlocks;
}

std::uint64_t Grid::progress() const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->counters.progress();
  return sum;
}

bool Grid::all_idle() const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->idle > kHangInstructions; });
}

void Grid::stop_with(std::exception_ptr fault) {
  const std::lock_guard lock(mutex_);
  if (!fault_) fault_ = std::move(fault);
  stopped_ = true;
}

void Grid::work(Worker& worker) {
  std::vector<std::unique_ptr<Block>> blocks;
  std::size_t wanted = first_blocks(worker);
  std::uint64_t total = 0;
  std::uint64_t since_end = 0;
  std::uint64_t since_progress = 0;
  std::uint64_t last_progress = 0;
  try {
    while (!stopped_) {
      while (blocks.size() < wanted) {
        const auto number = take_block();
        if (!number) break;
        blocks.push_back(
            std::make_unique<Block>(*this, *number, worker.counters, worker.random()));
      }
      if (blocks.empty()) {
        worker.idle = ~std::uint64_t{0};
        return;
      }
      const std::size_t chosen = worker.random() % blocks.size();
      const std::uint64_t slice = 1 + worker.random() % kMaxSlice;
      if (blocks[chosen]->run(slice) == BlockState::kDone) {
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(chosen));
        const std::lock_guard lock(mutex_);
        --resident_;
        since_end = 0;
        continue;
      }
      total += slice;
      if (machine_.max_instructions != 0 && total > machine_.max_instructions) {
        blocks[chosen]->fault_hang("the launch has run more instructions than it may:");
      }
      const std::uint64_t now = progress();
      since_end += slice;
      since_progress = now == last_progress ? since_progress + slice : 0;
      last_progress = now;
      const std::uint64_t still = std::min(since_end, since_progress);
      if (still > kPatience * (blocks.size() + 1) || since_end > kLongPatience * blocks.size()) {
        ++wanted;
        since_end = 0;
      }
      const std::uint64_t idle =
          since_progress / (blocks.size() * blocks[chosen]->warps().size());
      const bool computing =
          idle > kHangInstructions && idle < kLongComputation &&
          std::any_of(blocks.begin(), blocks.end(),
                      [](const auto& block) { return computes(*block); });
      worker.idle = computing ? 0 : idle;
      if (all_idle()) blocks[chosen]->fault_hang("threads run without changing anything:");
    }
  } catch (...) {
    stop_with(std::current_exception());
  }
}

std::uint32_t Grid::add_origin(const std::string& sentence) {
  const std::lock_guard lock(mutex_);
  const auto [found, added] =
      origin_numbers_.try_emplace(sentence, static_cast<std::uint32_t>(origins_.size()));
  if (added) origins_.push_back(sentence);
  return found->second;
}

std::string Grid::origin(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  return number < origins_.size() ? origins_[number] : origins_[0];
}

void Grid::locate(Hazard& hazard, const Op& op) const {
  hazard.kernel = program_.name;
  hazard.line = op.line;
  if (op.source.file != 0 && op.source.file < program_.files.size()) {
    hazard.source = program_.files[op.source.file] + ':' + std::to_string(op.source.line);
  }
}

}  // namespace virtual_gpu
