// The engine of one loaded model: a bounded queue of requests, a thread that packs their sequences
// into batches under a token budget, and the backend that encodes them.
//
// A request of 10,000 texts is worked through in many batches; a batch may hold sequences of many
// requests. After each batch an unfinished request goes to the end of the queue, so that a short
// one never waits for a whole long one. Which sequences share a batch changes no result.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/backend.h"
#include "engine/request.h"

namespace fusebert {

class Engine {
 public:
  // Requests that may wait at once; more fail with kQueueFull.
  static constexpr size_t kMaxQueuedRequests = 65536;
  // cu_seqlens has 32 bits.
  static constexpr int64_t kMaxTokensPerRequest = INT32_MAX;

  explicit Engine(std::unique_ptr<Backend> backend);
  // As stop().
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Backend& backend() const { return *backend_; }

  // Queues a request and returns an id for cancel(). Fails at once, without calling `completion`,
  // with kDisposed, kQueueFull, or kInputToken/kInvalidArgument when packed ids are out of range.
  Result<uint64_t> submit(EncodeRequest request, Completion completion);

  // The request completes with kAborted as soon as the backend lets go of it. Nothing happens when
  // it has completed already.
  void cancel(uint64_t id);

  // Gives back memory that only encoding needs, between two batches; the next batch takes it again.
  // Waits until that is done, or the engine stops. From any thread but a completion's.
  void trim();

  // Completes everything with kDisposed and ends the thread. Waits for the batch under way, which
  // is cancelled. Idempotent; may be called from any thread but a completion's.
  void stop();

 private:
  struct Active;
  struct Slice;
  struct Scratch;

  void run();
  void trim_if_asked();
  std::vector<Slice> next_batch();
  Status fill(Active& active, int64_t token_budget);
  Status check_sequences(const PackedEncoding& encoding, int64_t first_sequence,
                         int64_t number) const;
  Status encode(const std::vector<Slice>& slices);
  void after_batch(const std::vector<Slice>& slices, const Status& status);
  void complete(std::unique_ptr<Active> active, Status status);
  void sweep_cancelled();
  bool batch_is_for_nobody() const;  // with mutex_ held

  std::unique_ptr<Backend> backend_;
  int64_t max_batch_tokens_;
  std::unique_ptr<Scratch> scratch_;  // the engine thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Active>> queue_;  // guarded by mutex_
  uint64_t next_id_ = 1;                       // guarded by mutex_
  bool stopping_ = false;                      // guarded by mutex_
  bool any_cancelled_ = false;                 // guarded by mutex_
  uint64_t trims_asked_ = 0, trims_done_ = 0;  // guarded by mutex_
  std::condition_variable trimmed_;
  size_t in_batch_ = 0;            // leading requests of queue_ under way; guarded by mutex_
  std::atomic<bool> batch_cancelled_{false};

  std::mutex stop_mutex_;  // serialises callers of stop()
  std::thread thread_;
};

}  // namespace fusebert
