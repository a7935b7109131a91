// The engine over a backend whose output says which tokens went in: batching, order, cancellation,
// failure and shutdown, from several threads at once.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace fusebert {
namespace {

constexpr int64_t kHidden = 2;

// hidden_states[t] = {id, position}; pooled[s] = {sum of ids, length}.
class FakeBackend : public Backend {
 public:
  struct Log {
    std::mutex mutex;
    std::vector<int64_t> batch_tokens;
    std::vector<int64_t> batch_sequences;
    std::chrono::milliseconds delay{0};
    std::atomic<bool> held{false};  // batches wait while this is set
    Status failure;
    int32_t bad_id = -1;  // a sequence with it fails, and alone
    std::atomic<int> trims{0};
    std::atomic<size_t> submitted{0};
    std::atomic<size_t> most_submitted{0};  // at once
  };

  FakeBackend(std::shared_ptr<Log> log, int64_t max_batch_tokens, size_t max_submitted)
      : log_(std::move(log)), max_submitted_(max_submitted) {
    description_.max_batch_tokens = max_batch_tokens;
    geometry_.vocab_size = 1000;
    geometry_.hidden_size = kHidden;
    geometry_.type_vocab_size = 2;
    geometry_.max_position_embeddings = 64;
  }

  const BackendDescription& describe() const override { return description_; }
  const Geometry& geometry() const override { return geometry_; }
  void trim() override { ++log_->trims; }

  size_t max_submitted() const override { return max_submitted_; }

  void submit(const PackedBatch& batch, const EncodeOutput& output,
              const std::atomic<bool>& cancelled) override {
    const std::lock_guard lock(log_->mutex);
    log_->batch_tokens.push_back(batch.total_tokens());
    log_->batch_sequences.push_back(batch.batch_size());
    submitted_.push_back({batch, output, &cancelled});
    log_->submitted = submitted_.size();
    if (log_->most_submitted < log_->submitted) log_->most_submitted = log_->submitted.load();
  }

  BatchResult wait() override {
    const auto [batch, output, cancelled] = submitted_.front();
    submitted_.pop_front();
    const auto end = std::chrono::steady_clock::now() + log_->delay;
    do {
      if (cancelled->load()) return {Status(StatusCode::kAborted, "cancelled")};
      if (log_->delay.count() > 0 || log_->held.load()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    } while (log_->held.load() || std::chrono::steady_clock::now() < end);
    if (!log_->failure.ok()) return {log_->failure};
    return encode_now(batch, output);
  }

 private:
  BatchResult encode_now(const PackedBatch& batch, const EncodeOutput& output) const {
    for (int64_t s = 0; s < batch.batch_size(); ++s) {
      float sum = 0;
      const int32_t begin = batch.cu_seqlens[static_cast<size_t>(s)];
      const int32_t finish = batch.cu_seqlens[static_cast<size_t>(s) + 1];
      for (int32_t t = begin; t < finish; ++t) {
        if (batch.input_ids[static_cast<size_t>(t)] == log_->bad_id) {
          return {Status(StatusCode::kNotFinite, "too loud"), s};
        }
        const float id = static_cast<float>(batch.input_ids[static_cast<size_t>(t)]);
        sum += id;
        if (output.hidden_states != nullptr) {
          output.hidden_states[t * kHidden] = id;
          output.hidden_states[t * kHidden + 1] = static_cast<float>(t - begin);
        }
      }
      if (output.pooled != nullptr) {
        output.pooled[s * kHidden] = sum;
        output.pooled[s * kHidden + 1] = static_cast<float>(finish - begin);
      }
    }
    return {};
  }

  struct Submitted {
    PackedBatch batch;
    EncodeOutput output;
    const std::atomic<bool>* cancelled;
  };

  std::shared_ptr<Log> log_;
  size_t max_submitted_;
  std::deque<Submitted> submitted_;
  BackendDescription description_;
  Geometry geometry_;
};

// A request of sequences with the given lengths; ids count up from `first_id`.
EncodeRequest make_request(const std::vector<int32_t>& lengths, int32_t first_id,
                           Pooling pooling = Pooling::kMean) {
  EncodeRequest request;
  for (int32_t length : lengths) {
    for (int32_t i = 0; i < length; ++i) {
      request.encoded.input_ids.push_back(first_id++ % 1000);
      request.encoded.token_type_ids.push_back(0);
    }
    request.encoded.cu_seqlens.push_back(request.encoded.cu_seqlens.back() + length);
  }
  request.output.pooling = pooling;
  request.output.hidden_states = true;
  return request;
}

struct Fixture {
  std::shared_ptr<FakeBackend::Log> log = std::make_shared<FakeBackend::Log>();
  std::unique_ptr<Engine> engine;

  explicit Fixture(int64_t max_batch_tokens = 32, int delay_ms = 0, size_t max_submitted = 1) {
    log->delay = std::chrono::milliseconds(delay_ms);
    engine = std::make_unique<Engine>(
        std::make_unique<FakeBackend>(log, max_batch_tokens, max_submitted));
  }

  // Submits and returns the id; the result arrives in the future.
  uint64_t submit(EncodeRequest request, std::future<EncodeResult>& result) {
    auto promise = std::make_shared<std::promise<EncodeResult>>();
    result = promise->get_future();
    auto id = engine->submit(std::move(request), [promise](EncodeResult r) {
      promise->set_value(std::move(r));
    });
    EXPECT_TRUE(id.ok()) << id.status().message();
    return id.ok() ? id.value() : 0;
  }

  // Until so many are or were under way.
  void wait_for_batches(size_t count = 1) const {
    for (;;) {
      {
        const std::lock_guard lock(log->mutex);
        if (log->batch_tokens.size() >= count) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

// Of a request by make_request(lengths, first_id).
void expect_pooled(const EncodeResult& result, const std::vector<int32_t>& lengths, int32_t id) {
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  ASSERT_EQ(result.pooled.size(), lengths.size() * kHidden);
  for (size_t s = 0; s < lengths.size(); ++s) {
    float sum = 0;
    for (int32_t i = 0; i < lengths[s]; ++i) sum += static_cast<float>(id++ % 1000);
    EXPECT_EQ(result.pooled[s * kHidden], sum) << s;
    EXPECT_EQ(result.pooled[s * kHidden + 1], static_cast<float>(lengths[s])) << s;
  }
}

TEST(Engine, GivesOneRowPerSequenceInOrderOverManyBatches) {
  Fixture fixture(16);
  std::vector<int32_t> lengths;
  for (int32_t i = 0; i < 100; ++i) lengths.push_back(1 + i % 13);
  std::future<EncodeResult> future;
  fixture.submit(make_request(lengths, 1), future);
  expect_pooled(future.get(), lengths, 1);
  for (int64_t tokens : fixture.log->batch_tokens) EXPECT_LE(tokens, 16);
}

TEST(Engine, ReturnsHiddenStatesOfEveryTokenWithoutPooling) {
  Fixture fixture(8);
  std::future<EncodeResult> future;
  fixture.submit(make_request({3, 5, 1, 7}, 10, Pooling::kNone), future);
  const EncodeResult result = future.get();
  ASSERT_TRUE(result.status.ok());
  ASSERT_EQ(result.hidden_states.size(), 16u * kHidden);
  EXPECT_EQ(result.cu_seqlens, (std::vector<int32_t>{0, 3, 8, 9, 16}));
  for (size_t t = 0; t < 16; ++t) {
    EXPECT_EQ(result.hidden_states[t * kHidden], static_cast<float>(10 + t));
  }
}

TEST(Engine, ASequenceLongerThanTheBudgetGetsABatchOfItsOwn) {
  Fixture fixture(4);
  std::future<EncodeResult> future;
  fixture.submit(make_request({2, 20, 2}, 0), future);
  ASSERT_TRUE(future.get().status.ok());
  EXPECT_EQ(fixture.log->batch_tokens, (std::vector<int64_t>{2, 20, 2}));
}

TEST(Engine, NoSequencesGiveAnEmptyResult) {
  Fixture fixture;
  std::future<EncodeResult> future;
  fixture.submit(make_request({}, 0), future);
  const EncodeResult result = future.get();
  EXPECT_TRUE(result.status.ok());
  EXPECT_TRUE(result.pooled.empty());
}

TEST(Engine, RequestsShareBatches) {
  Fixture fixture(32);
  fixture.log->held = true;
  std::vector<std::future<EncodeResult>> futures(17);
  for (size_t i = 0; i < futures.size(); ++i) {
    fixture.submit(make_request({2}, static_cast<int32_t>(i)), futures[i]);
  }
  fixture.log->held = false;
  for (size_t i = 0; i < futures.size(); ++i) {
    EXPECT_EQ(futures[i].get().pooled[0], static_cast<float>(2 * i + 1)) << i;
  }
  // Some may go first; those that came while they waited fit into one batch.
  EXPECT_LE(fixture.log->batch_tokens.size(), 2u);
}

TEST(Engine, AShortRequestDoesNotWaitForAWholeLongOne) {
  Fixture fixture(8);
  fixture.log->held = true;
  std::atomic<int> ended{0};
  std::promise<std::pair<int, int>> order;
  std::atomic<int> long_order{0};
  std::atomic<int> short_order{0};
  const auto finish = [&](std::atomic<int>& place) {
    place = ++ended;
    if (ended == 2) order.set_value({long_order, short_order});
  };
  ASSERT_TRUE(fixture.engine
                  ->submit(make_request(std::vector<int32_t>(200, 8), 0),
                           [&](EncodeResult) { finish(long_order); })
                  .ok());
  ASSERT_TRUE(
      fixture.engine->submit(make_request({1}, 7), [&](EncodeResult) { finish(short_order); })
          .ok());
  fixture.log->held = false;
  EXPECT_EQ(order.get_future().get(), std::make_pair(2, 1));
}

TEST(Engine, CancelEndsARequestUnderWayAndLeavesOthersAlone) {
  Fixture fixture(8, 50);
  std::future<EncodeResult> first;
  std::future<EncodeResult> second;
  const uint64_t id = fixture.submit(make_request(std::vector<int32_t>(1000, 8), 0), first);
  fixture.submit(make_request({3}, 1), second);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  fixture.engine->cancel(id);
  EXPECT_EQ(first.get().status.code(), StatusCode::kAborted);
  const EncodeResult result = second.get();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.pooled[0], 6.0f);
  fixture.engine->cancel(id);  // has ended: nothing happens
  fixture.engine->cancel(9999);
}

TEST(Engine, StopDisposesOfWhatWaitsAndOfWhatRuns) {
  Fixture fixture(8, 10000);
  std::vector<std::future<EncodeResult>> futures(5);
  for (auto& future : futures) fixture.submit(make_request({8}, 0), future);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto begin = std::chrono::steady_clock::now();
  fixture.engine->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  for (auto& future : futures) EXPECT_EQ(future.get().status.code(), StatusCode::kDisposed);
  auto late = fixture.engine->submit(make_request({1}, 0), [](EncodeResult) { FAIL(); });
  EXPECT_EQ(late.status().code(), StatusCode::kDisposed);
  fixture.engine->stop();
}

TEST(Engine, StopEndsEveryBatchUnderWayAndWhatWouldGoAgain) {
  for (const int32_t bad_id : {-1, 100}) {
    Fixture fixture(8, 0, 2);
    fixture.log->bad_id = bad_id;
    fixture.log->held = true;
    std::vector<std::future<EncodeResult>> futures(3);
    fixture.submit(make_request({8}, 0), futures[0]);
    fixture.wait_for_batches(1);
    fixture.submit(make_request({2}, 100), futures[1]);
    fixture.submit(make_request({2, 9, 9}, 200), futures[2]);
    std::thread stopper([&] { fixture.engine->stop(); });
    stopper.join();
    for (auto& future : futures) EXPECT_EQ(future.get().status.code(), StatusCode::kDisposed);
  }
}

TEST(Engine, WhoCausedABatchToGoAgainMayBeCancelled) {
  Fixture fixture(64);
  fixture.log->bad_id = 100;
  fixture.log->held = true;
  std::future<EncodeResult> first, loud, quiet;
  fixture.submit(make_request({64}, 300), first);
  fixture.wait_for_batches(1);
  const uint64_t id = fixture.submit(make_request({2}, 100), loud);
  fixture.submit(make_request({3}, 7), quiet);
  fixture.engine->cancel(id);
  fixture.log->held = false;
  EXPECT_EQ(loud.get().status.code(), StatusCode::kAborted);
  expect_pooled(quiet.get(), {3}, 7);
}

TEST(Engine, TrimsBetweenBatchesAndGoesOn) {
  Fixture fixture(4);
  fixture.engine->trim();  // an idle engine too
  EXPECT_EQ(fixture.log->trims, 1);
  fixture.log->held = true;
  std::future<EncodeResult> result;
  fixture.submit(make_request({3, 3, 3}, 1), result);
  fixture.wait_for_batches();
  std::thread trimmer([&] { fixture.engine->trim(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(fixture.log->trims, 1);  // not while a batch is under way
  fixture.log->held = false;
  trimmer.join();
  EXPECT_EQ(fixture.log->trims, 2);
  EXPECT_TRUE(result.get().status.ok());
}

TEST(Engine, StopEndsTheWaitForATrim) {
  Fixture fixture(4);
  fixture.log->held = true;
  std::future<EncodeResult> result;
  fixture.submit(make_request({3}, 1), result);
  fixture.wait_for_batches();
  std::thread trimmer([&] { fixture.engine->trim(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  fixture.engine->stop();
  trimmer.join();
  EXPECT_FALSE(result.get().status.ok());
}

TEST(Engine, AFailureReachesEveryRequestOfTheBatch) {
  Fixture fixture;
  fixture.log->failure = Status(StatusCode::kOutOfMemory, "no room");
  std::future<EncodeResult> future;
  fixture.submit(make_request({1, 2}, 0), future);
  EXPECT_EQ(future.get().status.code(), StatusCode::kOutOfMemory);
}

TEST(Engine, SubmitsTheNextBatchWhileOneIsUnderWay) {
  Fixture fixture(8, 0, 2);
  fixture.log->held = true;
  std::vector<int32_t> lengths;
  for (int32_t i = 0; i < 50; ++i) lengths.push_back(1 + i % 7);
  std::future<EncodeResult> first, second;
  fixture.submit(make_request(lengths, 3), first);
  fixture.submit(make_request({2, 8}, 5), second);
  fixture.wait_for_batches(2);
  fixture.log->held = false;
  expect_pooled(first.get(), lengths, 3);
  expect_pooled(second.get(), {2, 8}, 5);
  EXPECT_EQ(fixture.log->most_submitted, 2u);
  for (int64_t tokens : fixture.log->batch_tokens) EXPECT_LE(tokens, 8);
}

TEST(Engine, CancelReachesEveryBatchUnderWay) {
  Fixture fixture(8, 0, 2);
  fixture.log->held = true;
  std::future<EncodeResult> first, second;
  const uint64_t id = fixture.submit(make_request({8, 8, 8, 8}, 0), first);
  fixture.wait_for_batches(2);
  fixture.submit(make_request({4}, 1), second);
  fixture.engine->cancel(id);
  EXPECT_EQ(first.get().status.code(), StatusCode::kAborted);
  fixture.log->held = false;
  expect_pooled(second.get(), {4}, 1);
  EXPECT_EQ(fixture.log->batch_tokens, (std::vector<int64_t>{8, 8, 4}));
}

TEST(Engine, TrimsOnceNoBatchIsUnderWay) {
  Fixture fixture(4, 0, 2);
  fixture.log->held = true;
  std::future<EncodeResult> result;
  fixture.submit(make_request({3, 3, 3, 3}, 1), result);
  fixture.wait_for_batches(2);
  std::thread trimmer([&] { fixture.engine->trim(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(fixture.log->trims, 0);
  fixture.log->held = false;
  trimmer.join();
  EXPECT_EQ(fixture.log->trims, 1);
  expect_pooled(result.get(), {3, 3, 3, 3}, 1);
}

TEST(Engine, ASequenceThatFailsFailsItsRequestAlone) {
  for (const size_t max_submitted : {1, 2}) {
    Fixture fixture(16, 0, max_submitted);
    fixture.log->bad_id = 102;
    fixture.log->held = true;
    std::future<EncodeResult> blocker, before, loud, after;
    fixture.submit(make_request({16, 16}, 500), blocker);
    fixture.wait_for_batches(max_submitted);
    fixture.submit(make_request({3, 2}, 1), before);
    fixture.submit(make_request({2, 2, 1, 30, 30}, 100), loud);  // in this batch and in later ones
    fixture.submit(make_request({5, 8, 8}, 700), after);
    fixture.log->held = false;
    expect_pooled(blocker.get(), {16, 16}, 500);
    expect_pooled(before.get(), {3, 2}, 1);
    expect_pooled(after.get(), {5, 8, 8}, 700);
    const Status status = loud.get().status;
    EXPECT_EQ(status.code(), StatusCode::kNotFinite);
    EXPECT_EQ(status.message(), "Text 1: too loud");
  }
}

TEST(Engine, EverySequenceThatFailsIsFound) {
  Fixture fixture(64);
  fixture.log->bad_id = 7;
  fixture.log->held = true;
  std::vector<std::future<EncodeResult>> futures(12);
  for (size_t i = 0; i < futures.size(); ++i) {
    fixture.submit(make_request({2, 3}, static_cast<int32_t>(i)), futures[i]);
  }
  fixture.log->held = false;
  for (int32_t i = 0; i < 12; ++i) {
    const EncodeResult result = futures[static_cast<size_t>(i)].get();
    if (i < 3 || i > 7) {
      expect_pooled(result, {2, 3}, i);
    } else {
      EXPECT_EQ(result.status.code(), StatusCode::kNotFinite);
    }
  }
}

TEST(Engine, RefusesIdsOutsideTheTablesAndLengthsOutsideTheLimit) {
  Fixture fixture;
  const auto code = [&fixture](EncodeRequest request) {
    return fixture.engine->submit(std::move(request), [](EncodeResult) { FAIL(); }).status().code();
  };
  EncodeRequest negative = make_request({2}, 0);
  negative.encoded.input_ids[1] = -1;
  EXPECT_EQ(code(std::move(negative)), StatusCode::kInputToken);
  EncodeRequest large = make_request({2}, 0);
  large.encoded.input_ids[0] = 1000;
  EXPECT_EQ(code(std::move(large)), StatusCode::kInputToken);
  EncodeRequest type = make_request({2}, 0);
  type.encoded.token_type_ids[0] = 2;
  EXPECT_EQ(code(std::move(type)), StatusCode::kInputToken);
  EXPECT_EQ(code(make_request({65}, 0)), StatusCode::kInputTooLong);
  EXPECT_EQ(code(make_request({1, 0}, 0)), StatusCode::kInvalidArgument);
  EncodeRequest decreasing = make_request({4}, 0);
  decreasing.encoded.cu_seqlens = {0, 3, 2, 4};
  EXPECT_EQ(code(std::move(decreasing)), StatusCode::kInvalidArgument);
  EncodeRequest beyond = make_request({4}, 0);
  beyond.encoded.cu_seqlens = {0, 400};
  EXPECT_EQ(code(std::move(beyond)), StatusCode::kInvalidArgument);
  EncodeRequest climbing = make_request({4}, 0);  // beyond the arrays, then back
  climbing.encoded.cu_seqlens = {0, 50, 4};
  EXPECT_EQ(code(std::move(climbing)), StatusCode::kInvalidArgument);
}

TEST(Engine, ManyThreadsSubmitAndCancelAtOnce) {
  Fixture fixture(16, 0, 2);
  std::atomic<int> completions{0};
  std::atomic<int> submissions{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        auto id = fixture.engine->submit(make_request({1 + i % 7, 3}, thread),
                                         [&completions](EncodeResult) { ++completions; });
        if (!id.ok()) continue;
        ++submissions;
        if (i % 3 == 0) fixture.engine->cancel(id.value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  fixture.engine->stop();
  EXPECT_EQ(completions.load(), submissions.load());
  EXPECT_EQ(submissions.load(), 800);
}

}  // namespace
}  // namespace fusebert
