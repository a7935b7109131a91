#include "driver/stream.h"

#include <utility>

namespace virtual_gpu {

bool Ticket::done() const { return queue->done(number); }
void Ticket::wait() const { queue->wait(number); }

StreamQueue::~StreamQueue() {
  wait(last());
  thread_.request_stop();
  changed_.notify_all();
  if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();
}

std::uint64_t StreamQueue::add(Operation operation, std::vector<Ticket> after) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(operation), std::move(after)});
  changed_.notify_all();
  return ++added_;
}

bool StreamQueue::done(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  return done_ >= number;
}

void StreamQueue::wait(std::uint64_t number) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= number; });
}

std::uint64_t StreamQueue::last() const {
  const std::lock_guard lock(mutex_);
  return added_;
}

void StreamQueue::work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, stop, [&] { return !entries_.empty(); });
    if (entries_.empty()) return;
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    lock.unlock();
    for (const Ticket& ticket : entry.after) ticket.wait();
    entry.operation();
    entry = {};
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace virtual_gpu
