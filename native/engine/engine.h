// The engine of one loaded model: a bounded queue of requests, a thread that packs their sequences
// into batches under a token budget, and the backend that encodes them.
//
// A request of 10,000 texts is worked through in many batches; a batch may hold sequences of many
// requests. Once a batch is full, an unfinished request goes to the end of the queue, so that a
// short one never waits for a whole long one. Which sequences share a batch changes no result.
//
// Where the backend takes more than one batch, the next is tokenized and submitted while a device
// works on the one before:
//
//   thread  | tokenize 0 | tokenize 1 | hand out 0, tokenize 2 | hand out 1, …
//   device               |     encode 0        |     encode 1        | encode 2
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "engine/active_request.h"
#include "engine/batch.h"
#include "engine/request.h"

namespace fusebert {

class Engine {
 public:
  // Requests that may be unfinished at once; more fail with kQueueFull.
  static constexpr size_t kMaxQueuedRequests = 65536;
  // In one batch, but for a sequence that has more by itself: 256 MiB of them.
  static constexpr int64_t kMaxBatchLogits = int64_t{1} << 26;

  // `layers`: what the model makes of pooled vectors; null for a model that is never asked for it.
  explicit Engine(std::unique_ptr<Backend> backend,
                  std::unique_ptr<PooledLayers> layers = nullptr);
  // As stop().
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Backend& backend() const { return *backend_; }

  // Queues a request and returns an id for cancel(). Fails at once, without calling `completion`,
  // with kDisposed, kQueueFull, kInputToken, kInputTooLong or kInvalidArgument when packed ids are
  // out of range, or kInvalidArgument when the model has no head for logits or its pooled layers
  // do not take what is pooled.
  Result<uint64_t> submit(EncodeRequest request, Completion completion);

  // The request completes with kAborted as soon as the backend lets go of it. Nothing happens when
  // it has completed already.
  void cancel(uint64_t id);

  // Gives back memory that only encoding needs, when no batch is under way; the next takes it
  // again. Waits until that is done, or the engine stops. From any thread but a completion's.
  void trim();

  // Completes everything with kDisposed and ends the thread. Waits for the batches under way, which
  // are cancelled. Idempotent; may be called from any thread but a completion's.
  void stop();

 private:
  using RequestPointer = std::shared_ptr<ActiveRequest>;

  void run();
  bool wait_for_work();
  bool trimming();
  void trim_now();
  void complete_cancelled();
  void submit_batches();
  std::unique_ptr<Batch> next_batch();
  bool fill_batch(Batch& batch);
  RequestPointer first_in_queue();
  void first_leaves_queue();
  void first_goes_to_end();
  void submit_batch(std::unique_ptr<Batch> batch);
  void end_oldest_batch();
  void end(std::unique_ptr<Batch> batch);
  void end_if_over(const RequestPointer& request);
  void complete_all();
  void cancel_batches_for_nobody();  // with mutex_ held

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<PooledLayers> layers_;  // the engine thread's
  // The engine thread's: as many as the backend takes, but for those under way.
  std::vector<std::unique_ptr<Batch>> spare_;

  std::mutex mutex_;
  std::condition_variable changed_, trimmed_;
  // All of the following is guarded by mutex_.
  std::unordered_map<uint64_t, RequestPointer> requests_;  // that are not completed
  // Those with sequences in no batch yet, and some that have failed or been cancelled meanwhile.
  std::list<RequestPointer> queue_;
  std::list<RequestPointer> cancelled_;  // that nobody has looked at yet
  std::deque<std::unique_ptr<Batch>> batches_;             // under way, oldest first
  uint64_t next_id_ = 1;
  bool stopping_ = false;
  uint64_t trims_asked_ = 0, trims_done_ = 0;

  std::mutex stop_mutex_;  // serialises callers of stop()
  std::thread thread_;
};

}  // namespace fusebert
