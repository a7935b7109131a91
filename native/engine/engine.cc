// The engine's thread: fill batches and submit them, end the oldest, hand out, repeat.
#include "engine/engine.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "backend/batch_parts.h"
#include "core/time_slice.h"

namespace fusebert {
namespace {

Status disposed() { return Status(StatusCode::kDisposed, "The model has been disposed."); }
Status aborted() { return Status(StatusCode::kAborted, "The call was aborted."); }

// What becomes of an exception, without memory for more words: nothing here throws by itself, but
// memory may run out.
Status status_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (...) {
    return Status(StatusCode::kInternal, "An exception.");
  }
}

}  // namespace

Engine::Engine(std::unique_ptr<Backend> backend, std::unique_ptr<PooledLayers> layers)
    : backend_(std::move(backend)), layers_(std::move(layers)) {
  const int64_t max_tokens = std::max<int64_t>(1, backend_->describe().max_batch_tokens);
  for (size_t i = 0; i < backend_->max_submitted(); ++i) {
    spare_.push_back(std::make_unique<Batch>(max_tokens, kMaxBatchLogits));
  }
  thread_ = std::thread([this] {
    give_way_to_woken_threads();
    run();
  });
}

Engine::~Engine() { stop(); }

Result<uint64_t> Engine::submit(EncodeRequest request, Completion completion) {
  const Geometry& geometry = backend_->geometry();
  if (request.tokenizer == nullptr) {
    FUSEBERT_RETURN_IF_ERROR(check_sequences(request.encoded, geometry, 0, 0));
  }
  if (request.output.wants_head()) {
    FUSEBERT_RETURN_IF_ERROR(check_head(geometry, request.output.top_logits));
  }
  if (request.output.wants_pooled_layers()) {
    const int64_t columns = request.output.pooling.count * geometry.hidden_size;
    if (layers_ == nullptr || (request.output.pooled_layers && !layers_->takes(columns))) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected a pooling that the model's own layers take.");
    }
  }
  const std::lock_guard lock(mutex_);
  if (stopping_) return disposed();
  if (requests_.size() >= kMaxQueuedRequests) {
    return Status(StatusCode::kQueueFull, "Expected at most " +
                                              std::to_string(kMaxQueuedRequests) +
                                              " waiting calls. Wait for earlier ones first.");
  }
  const uint64_t id = next_id_++;
  const auto active =
      std::make_shared<ActiveRequest>(id, std::move(request), std::move(completion), geometry);
  requests_.emplace(id, active);
  queue_.push_back(active);
  changed_.notify_one();
  return id;
}

void Engine::cancel(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  found->second->cancel();
  cancelled_.push_back(found->second);
  cancel_batches_for_nobody();
  changed_.notify_one();
}

// A batch that still serves somebody goes on.
void Engine::cancel_batches_for_nobody() {
  for (const auto& batch : batches_) {
    if (stopping_ || batch->is_for_nobody()) batch->cancelled().store(true);
  }
}

void Engine::stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    cancel_batches_for_nobody();
    changed_.notify_one();
    trimmed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Engine::trim() {
  std::unique_lock lock(mutex_);
  const uint64_t mine = ++trims_asked_;
  changed_.notify_one();
  trimmed_.wait(lock, [&] { return stopping_ || trims_done_ >= mine; });
}

void Engine::run() {
  while (wait_for_work()) {
    complete_cancelled();
    if (!trimming()) {
      submit_batches();
    } else if (batches_.empty()) {
      trim_now();
    }
    if (!batches_.empty()) end_oldest_batch();
  }
  while (!batches_.empty()) end_oldest_batch();
  complete_all();
}

// False when the engine stops.
bool Engine::wait_for_work() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return stopping_ || !cancelled_.empty() || !queue_.empty() || !batches_.empty() ||
           trims_asked_ != trims_done_;
  });
  return !stopping_;
}

bool Engine::trimming() {
  const std::lock_guard lock(mutex_);
  return trims_asked_ != trims_done_;
}

void Engine::trim_now() {
  uint64_t asked = 0;
  {
    const std::lock_guard lock(mutex_);
    asked = trims_asked_;
  }
  backend_->trim();
  for (const auto& batch : spare_) batch->trim();
  const std::lock_guard lock(mutex_);
  trims_done_ = asked;
  trimmed_.notify_all();
}

void Engine::complete_cancelled() {
  for (;;) {
    RequestPointer request;
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_.empty()) return;
      request = std::move(cancelled_.front());
      cancelled_.pop_front();
    }
    end_if_over(request);
  }
}

void Engine::submit_batches() {
  while (batches_.size() < backend_->max_submitted()) {
    std::unique_ptr<Batch> batch = next_batch();
    if (batch == nullptr) return;
    submit_batch(std::move(batch));
  }
}

// Sequences from the front of the queue; null when there are none.
std::unique_ptr<Batch> Engine::next_batch() {
  std::unique_ptr<Batch> batch = std::move(spare_.back());
  spare_.pop_back();
  while (fill_batch(*batch)) {
  }
  if (!batch->empty()) return batch;
  spare_.push_back(std::move(batch));
  return nullptr;
}

// Adds what there is room for of the first request in the queue. False when the batch is ready.
bool Engine::fill_batch(Batch& batch) {
  const RequestPointer request = first_in_queue();
  if (request == nullptr || batch.room() <= 0 || !batch.accepts(request->output())) return false;
  bool taken = true;
  try {
    Status status = request->fill(batch.room());
    if (status.ok() && request->sequences_ready() > 0) {
      const Result<bool> result = batch.take(request);
      status = result.status();
      taken = result.ok() && result.value();
    }
    request->fail(status);
  } catch (...) {
    request->fail(status_of(std::current_exception()));
  }
  if (request->failed() || request->cancelled() || request->all_taken()) {
    first_leaves_queue();
    end_if_over(request);
    return true;
  }
  // What it has left does not fit. When nothing of it fitted, it stays the first.
  if (taken) first_goes_to_end();
  return false;
}

// Of those that anything is to be done for. Others have ended, or will with their last batch.
Engine::RequestPointer Engine::first_in_queue() {
  const std::lock_guard lock(mutex_);
  while (!queue_.empty() && (queue_.front()->failed() || queue_.front()->cancelled())) {
    queue_.pop_front();
  }
  return queue_.empty() ? nullptr : queue_.front();
}

void Engine::first_leaves_queue() {
  const std::lock_guard lock(mutex_);
  queue_.pop_front();
}

void Engine::first_goes_to_end() {
  const std::lock_guard lock(mutex_);
  queue_.splice(queue_.end(), queue_, queue_.begin());
}

void Engine::submit_batch(std::unique_ptr<Batch> owned) {
  Batch& batch = *owned;
  try {
    batch.prepare(backend_->geometry(), layers_.get());
    const std::lock_guard lock(mutex_);
    batches_.push_back(std::move(owned));
    cancel_batches_for_nobody();
  } catch (...) {
    batch.fail(status_of(std::current_exception()));
    return end(std::move(owned));
  }
  backend_->submit(batch.packed(), batch.output(), batch.cancelled());
}

void Engine::end_oldest_batch() {
  const BatchResult result = backend_->wait();
  std::unique_ptr<Batch> batch;
  {
    const std::lock_guard lock(mutex_);
    batch = std::move(batches_.front());
    batches_.pop_front();
  }
  if (result.status.ok()) {
    batch->finish(layers_.get());
    batch->hand_out();
  } else if (result.sequence >= 0) {
    // The others go again, without it.
    const RequestPointer request = batch->fail_sequence(result.sequence, result.status);
    request->left_batch();
    end_if_over(request);
    if (!batch->empty()) return submit_batch(std::move(batch));
  } else {
    // Who has not cancelled his own request sees it end with the engine.
    const bool is_aborted = result.status.code() == StatusCode::kAborted;
    batch->fail(is_aborted ? disposed() : result.status);
  }
  end(std::move(batch));
}

// A batch that is handed out, or has failed.
void Engine::end(std::unique_ptr<Batch> batch) {
  batch->for_each_request([this](const RequestPointer& request) {
    request->left_batch();
    end_if_over(request);
  });
  batch->clear();
  spare_.push_back(std::move(batch));
}

void Engine::end_if_over(const RequestPointer& request) {
  if (!request->over()) return;
  {
    const std::lock_guard lock(mutex_);
    if (requests_.erase(request->id()) == 0) return;
  }
  request->complete(request->cancelled() ? aborted() : request->status());
}

void Engine::complete_all() {
  std::unordered_map<uint64_t, RequestPointer> rest;
  {
    const std::lock_guard lock(mutex_);
    queue_.clear();
    cancelled_.clear();
    rest.swap(requests_);
  }
  for (const auto& [id, request] : rest) request->complete(disposed());
}

}  // namespace fusebert
