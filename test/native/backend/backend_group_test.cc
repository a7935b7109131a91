// A group of backends that write down who ran what: the split, the order of results, failures.
#include "backend/backend_group.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <thread>

namespace fusebert {
namespace {

constexpr int64_t kHidden = 2;

// pooled[s] = {the sequence's first id, the member's number}; hidden_states likewise by token.
class Numbered : public Backend {
 public:
  explicit Numbered(int number) : number_(number) {
    description_.device = "fake:" + std::to_string(number);
    description_.max_batch_tokens = 10;
    description_.weight_bytes = 100;
    geometry_.hidden_size = kHidden;
  }
  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }
  void trim() override { ++trims; }

  size_t max_submitted() const override { return max; }
  BatchResult wait() override {
    const BatchResult result = results_.front();
    results_.pop_front();
    return result;
  }
  void submit(const PackedBatch& batch, const EncodeOutput& output,
              const std::atomic<bool>&) override {
    results_.push_back({encode_now(batch, output), failure.ok() ? -1 : 0});
  }

  size_t max = 2;
  Status failure;  // of the first sequence
  int64_t tokens = 0;
  int trims = 0;
  std::thread::id thread;

 private:
  Status encode_now(const PackedBatch& batch, const EncodeOutput& output) {
    tokens = batch.total_tokens();
    thread = std::this_thread::get_id();
    if (!failure.ok()) return failure;
    for (int64_t s = 0; s < batch.batch_size(); ++s) {
      const auto first = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(s)]);
      if (output.pooled == nullptr) continue;
      output.pooled[s * kHidden] = static_cast<float>(batch.input_ids[first]);
      output.pooled[s * kHidden + 1] = static_cast<float>(number_);
    }
    for (int64_t t = 0; output.hidden_states != nullptr && t < batch.total_tokens(); ++t) {
      const int32_t id = batch.input_ids[static_cast<size_t>(t)];
      output.hidden_states[t * kHidden] = static_cast<float>(id);
    }
    return Status();
  }

  int number_;
  std::deque<BatchResult> results_;
  BackendDescription description_;
  Geometry geometry_;
};

// Sequences of these lengths; the ids count up from 0.
struct Sequences {
  std::vector<int32_t> ids, types, cu_seqlens{0};

  explicit Sequences(const std::vector<int32_t>& lengths) {
    for (const int32_t length : lengths) {
      for (int32_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(ids.size()));
      cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
    }
    types.assign(ids.size(), 0);
  }
  PackedBatch batch() const { return {ids, types, cu_seqlens}; }
};

struct Group {
  std::vector<Numbered*> members;
  std::unique_ptr<Backend> backend;

  explicit Group(int size) {
    std::vector<std::unique_ptr<Backend>> owned;
    for (int i = 0; i < size; ++i) {
      auto member = std::make_unique<Numbered>(i);
      members.push_back(member.get());
      owned.push_back(std::move(member));
    }
    backend = group_backends(std::move(owned));
  }
};

TEST(BackendGroup, SplitsByTokensAtBoundariesOfSequences) {
  using Begins = std::vector<int64_t>;
  EXPECT_EQ(split_by_tokens(Sequences({4, 4, 4, 4}).batch(), 2), (Begins{0, 2, 4}));
  EXPECT_EQ(split_by_tokens(Sequences({10, 1, 1, 1}).batch(), 2), (Begins{0, 1, 4}));
  EXPECT_EQ(split_by_tokens(Sequences({1, 1, 1, 10}).batch(), 2), (Begins{0, 3, 4}));
  EXPECT_EQ(split_by_tokens(Sequences({5}).batch(), 3), (Begins{0, 0, 1, 1}));
  EXPECT_EQ(split_by_tokens(Sequences({3, 3, 3}).batch(), 3), (Begins{0, 1, 2, 3}));
  EXPECT_EQ(split_by_tokens(Sequences({100, 1}).batch(), 4), (Begins{0, 0, 1, 1, 2}));
}

TEST(BackendGroup, PutsEveryResultWhereItsSequenceIs) {
  const Sequences sequences({3, 1, 4, 1, 5, 9, 2, 6});
  const std::atomic<bool> cancelled{false};
  for (const int size : {1, 2, 3, 8, 11}) {
    const Group group(size);
    std::vector<float> pooled(8 * kHidden, -1), hidden(sequences.ids.size() * kHidden, -1);
    EncodeOutput output;
    output.pooling = Pooling::kMean;
    output.pooled = pooled.data();
    output.hidden_states = hidden.data();
    ASSERT_TRUE(group.backend->encode(sequences.batch(), output, cancelled).ok());
    for (size_t s = 0; s < 8; ++s) {
      EXPECT_EQ(pooled[s * kHidden], static_cast<float>(sequences.cu_seqlens[s])) << size;
      if (s == 0) continue;
      EXPECT_LE(pooled[(s - 1) * kHidden + 1], pooled[s * kHidden + 1]);
    }
    for (size_t t = 0; t < sequences.ids.size(); ++t) {
      EXPECT_EQ(hidden[t * kHidden], static_cast<float>(t));
    }
    int64_t tokens = 0;
    for (const Numbered* member : group.members) tokens += member->tokens;
    EXPECT_EQ(tokens, sequences.batch().total_tokens());
  }
}

TEST(BackendGroup, MembersHaveThreadsOfTheirOwn) {
  const Sequences sequences({4, 4});
  const Group group(2);
  const std::atomic<bool> cancelled{false};
  ASSERT_TRUE(group.backend->encode(sequences.batch(), EncodeOutput(), cancelled).ok());
  EXPECT_EQ(group.members[0]->tokens, 4);
  EXPECT_EQ(group.members[1]->tokens, 4);
  EXPECT_NE(group.members[0]->thread, group.members[1]->thread);
}

TEST(BackendGroup, FailsAsTheFirstThatFailed) {
  const Sequences sequences({4, 4, 4});
  const Group group(3);
  group.members[1]->failure = Status(StatusCode::kDeviceFailed, "second");
  group.members[2]->failure = Status(StatusCode::kOutOfMemory, "third");
  const std::atomic<bool> cancelled{false};
  group.backend->submit(sequences.batch(), EncodeOutput(), cancelled);
  const BatchResult result = group.backend->wait();
  EXPECT_EQ(result.status.message(), "second");
  EXPECT_EQ(result.sequence, 1);  // of the whole batch
  EXPECT_EQ(group.members[0]->tokens, 4);  // nobody is left out
}

TEST(BackendGroup, TakesAsManyBatchesAsEveryMemberDoes) {
  const Group group(2);
  EXPECT_EQ(group.backend->max_submitted(), 2u);
  group.members[1]->max = 1;
  EXPECT_EQ(group.backend->max_submitted(), 1u);
}

TEST(BackendGroup, EndsBatchesInTheirOrder) {
  const Sequences small({1}), large({2, 2});
  const Group group(2);
  const std::atomic<bool> cancelled{false};
  std::vector<float> first(kHidden, -1), second(2 * kHidden, -1);
  EncodeOutput output;
  output.pooling = Pooling::kMean;
  output.pooled = first.data();
  group.backend->submit(small.batch(), output, cancelled);  // one member has nothing to do
  group.members[0]->failure = group.members[1]->failure = Status(StatusCode::kInternal, "later");
  output.pooled = second.data();
  group.backend->submit(large.batch(), output, cancelled);
  EXPECT_TRUE(group.backend->wait().status.ok());
  EXPECT_EQ(group.backend->wait().status.message(), "later");
  EXPECT_EQ(first[0], 0.0f);
  EXPECT_EQ(second[0], -1.0f);
}

TEST(BackendGroup, SaysWhatItIsAndTrimsAll) {
  const Group group(2);
  EXPECT_EQ(group.backend->describe().device, "fake:0,fake:1");
  EXPECT_EQ(group.backend->describe().weight_bytes, 200);
  EXPECT_EQ(group.backend->describe().max_batch_tokens, 20);
  group.backend->trim();
  EXPECT_EQ(group.members[0]->trims + group.members[1]->trims, 2);
}

}  // namespace
}  // namespace fusebert
