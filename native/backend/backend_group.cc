// Splitting batches, and running the parts side by side.
#include "backend/backend_group.h"

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

#include "backend/batch_parts.h"

namespace fusebert {
namespace {

// Waits at its end for the threads that it has started.
class Threads {
 public:
  ~Threads() {
    for (std::thread& thread : threads_) thread.join();
  }
  template <class Run>
  void start(const Run& run, size_t member) {
    threads_.emplace_back(std::cref(run), member);
  }

 private:
  std::vector<std::thread> threads_;
};

class BackendGroup : public Backend {
 public:
  explicit BackendGroup(std::vector<std::unique_ptr<Backend>> members)
      : members_(std::move(members)), description_(members_.front()->describe()) {
    for (size_t i = 1; i < members_.size(); ++i) {
      const BackendDescription& other = members_[i]->describe();
      description_.device += "," + other.device;
      description_.weight_bytes += other.weight_bytes;
      description_.max_batch_tokens += other.max_batch_tokens;
    }
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return members_.front()->geometry(); }

  Status encode(const PackedBatch& batch, const EncodeOutput& output,
                const std::atomic<bool>& cancelled) override {
    const std::vector<int64_t> begins = split_by_tokens(batch, members_.size());
    std::vector<Status> results(members_.size());
    const auto run = [&](size_t member) {
      results[member] =
          encode_run(member, batch, output, begins[member], begins[member + 1], cancelled);
    };
    {
      Threads threads;
      for (size_t member = 1; member < members_.size(); ++member) {
        if (begins[member] < begins[member + 1]) threads.start(run, member);
      }
      if (begins[0] < begins[1]) run(0);
    }
    for (Status& result : results) FUSEBERT_RETURN_IF_ERROR(result);
    return Status();
  }

  void trim() override {
    for (const auto& member : members_) member->trim();
  }

 private:
  // Sequences [begin, end).
  Status encode_run(size_t member, const PackedBatch& batch, const EncodeOutput& output,
                    int64_t begin, int64_t end, const std::atomic<bool>& cancelled) {
    std::vector<int32_t> cu_seqlens;
    const PackedBatch part = sequences_of(batch, begin, end, cu_seqlens);
    const int64_t first_token = batch.cu_seqlens[static_cast<size_t>(begin)];
    const EncodeOutput own = output_after(output, begin, first_token, geometry().hidden_size);
    return members_[member]->encode(part, own, cancelled);
  }

  std::vector<std::unique_ptr<Backend>> members_;
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
