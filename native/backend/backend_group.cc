// Splitting batches, and running the parts side by side.
#include "backend/backend_group.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <thread>
#include <utility>

#include "backend/batch_parts.h"
#include "core/fixed_queue.h"

namespace fusebert {
namespace {

// Waits at its end for the threads that it has started.
class Threads {
 public:
  ~Threads() {
    for (std::thread& thread : threads_) thread.join();
  }
  // work(member) in a thread of its own, or at once where the system has none to give.
  template <class Work>
  void run(const Work& work, size_t member) {
    try {
      threads_.emplace_back(std::cref(work), member);
    } catch (const std::exception&) {
      work(member);
    }
  }

 private:
  std::vector<std::thread> threads_;
};

class BackendGroup : public Backend {
 public:
  explicit BackendGroup(std::vector<std::unique_ptr<Backend>> members)
      : members_(std::move(members)),
        submitted_(max_submitted()),
        description_(members_.front()->describe()) {
    for (size_t i = 1; i < members_.size(); ++i) {
      const BackendDescription& other = members_[i]->describe();
      description_.device += "," + other.device;
      description_.weight_bytes += other.weight_bytes;
      description_.max_batch_tokens += other.max_batch_tokens;
    }
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return members_.front()->geometry(); }

  size_t max_submitted() const override {
    size_t least = SIZE_MAX;
    for (const auto& member : members_) least = std::min(least, member->max_submitted());
    return least;
  }

  void submit(const PackedBatch& batch, const EncodeOutput& output,
              const std::atomic<bool>& cancelled) override {
    Submitted& now = submitted_.emplace_back();
    try {
      now.split(batch, members_.size());
    } catch (const std::bad_alloc&) {
      now.no_memory = true;
      return;
    }
    const auto run = [&](size_t member) {
      members_[member]->submit(now.parts[member],
                               output_after(output, batch, now.begins[member], geometry()),
                               cancelled);
    };
    Threads threads;
    for (size_t member = 1; member < members_.size(); ++member) {
      if (now.takes_part(member)) threads.run(run, member);
    }
    if (now.takes_part(0)) run(0);
  }

  BatchResult wait() override {
    BatchResult first;
    const Submitted& oldest = submitted_.front();
    if (oldest.no_memory) first.status = no_memory();
    for (size_t member = 0; member < members_.size(); ++member) {
      if (oldest.no_memory || !oldest.takes_part(member)) continue;
      BatchResult result = members_[member]->wait();
      if (!first.status.ok() || result.status.ok()) continue;
      if (result.sequence >= 0) result.sequence += oldest.begins[member];
      first = std::move(result);
    }
    submitted_.pop_front();
    return first;
  }

  void trim() override {
    for (const auto& member : members_) member->trim();
  }

 private:
  // A batch that is not waited for yet, and each member's run of it.
  struct Submitted {
    std::vector<int64_t> begins;  // of the runs, and the last's end
    std::vector<std::vector<int32_t>> cu_seqlens;
    std::vector<PackedBatch> parts;

    bool no_memory = false;  // for the above: then nothing was begun

    void split(const PackedBatch& batch, size_t members) {
      begins = split_by_tokens(batch, members);
      cu_seqlens.resize(members);
      parts.resize(members);
      for (size_t i = 0; i < members; ++i) {
        parts[i] = sequences_of(batch, begins[i], begins[i + 1], cu_seqlens[i]);
      }
    }
    bool takes_part(size_t member) const { return begins[member] < begins[member + 1]; }
  };

  std::vector<std::unique_ptr<Backend>> members_;
  FixedQueue<Submitted> submitted_;  // oldest first
  BackendDescription description_;
};

}  // namespace

std::unique_ptr<Backend> group_backends(std::vector<std::unique_ptr<Backend>> members) {
  if (members.size() == 1) return std::move(members.front());
  return std::make_unique<BackendGroup>(std::move(members));
}

std::vector<int64_t> split_by_tokens(const PackedBatch& batch, size_t members) {
  std::vector<int64_t> begins(members + 1, batch.batch_size());
  begins[0] = 0;
  for (size_t i = 1; i < members; ++i) {
    const int64_t share = batch.total_tokens() * static_cast<int64_t>(i) /
                          static_cast<int64_t>(members);
    // The boundary nearest to the share, of those from the run before on.
    const auto after = std::lower_bound(batch.cu_seqlens.begin(), batch.cu_seqlens.end(), share);
    int64_t at = after - batch.cu_seqlens.begin();
    if (at > 0 && share - batch.cu_seqlens[static_cast<size_t>(at) - 1] < *after - share) --at;
    begins[i] = std::max(begins[i - 1], at);
  }
  return begins;
}

}  // namespace fusebert
