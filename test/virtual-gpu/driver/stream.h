// Streams and events: work that a thread of its own does in order, while the caller goes on.
#pragma once

#include <cuda.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "driver/graph.h"

namespace virtual_gpu {

struct Context;

// Of a stream's priority; less is more.
constexpr int kLeastPriority = 0;
constexpr int kGreatestPriority = -5;

/// A moment in a stream: when it has done so many of its operations.
struct Ticket {
  std::shared_ptr<class StreamQueue> queue;
  std::uint64_t number = 0;

  bool done() const;
  void wait() const;
};

/// The operations of a stream. Outlives the stream's handle while somebody waits for it.
class StreamQueue {
 public:
  using Operation = std::function<void()>;

  StreamQueue() : thread_([this](std::stop_token stop) { work(stop); }) {}
  ~StreamQueue();

  /// Adds an operation that begins when these tickets are done; its number.
  std::uint64_t add(Operation operation, std::vector<Ticket> after = {});
  bool done(std::uint64_t number) const;
  void wait(std::uint64_t number) const;
  std::uint64_t last() const;

 private:
  struct Entry {
    Operation operation;
    std::vector<Ticket> after;
  };
  void work(std::stop_token stop);

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::deque<Entry> entries_;
  std::uint64_t added_ = 0;
  std::uint64_t done_ = 0;
  std::jthread thread_;
};

/// What a CUstream points to.
struct Stream {
  Context* context = nullptr;
  unsigned flags = 0;
  int priority = 0;
  std::shared_ptr<StreamQueue> queue = std::make_shared<StreamQueue>();
  std::shared_ptr<Capture> capture;            // into which the stream is being captured
  std::vector<std::size_t> frontier;           // the nodes that its next one comes after

  bool blocking() const { return (flags & CU_STREAM_NON_BLOCKING) == 0; }
  Ticket ticket() const { return {queue, queue->last()}; }
};

/// What a CUevent points to.
struct Event {
  using Time = std::chrono::steady_clock::time_point;

  Context* context = nullptr;
  unsigned flags = 0;
  std::mutex mutex;
  std::optional<Ticket> recorded;
  std::shared_ptr<std::optional<Time>> time;  // when the recording was reached
  std::shared_ptr<Capture> capture;           // when it was recorded in a capture
  std::vector<std::size_t> nodes;             // the frontier at that point
};

}  // namespace virtual_gpu
