// The engine's thread: take sequences under the token budget, encode, hand out, repeat.
#include "engine/engine.h"

#include <algorithm>
#include <new>
#include <utility>

namespace fusebert {

// A request and how far it has come. `encoded` holds sequences that are tokenized; those before
// `next_sequence` are encoded too.
struct Engine::Active {
  uint64_t id = 0;
  EncodeRequest request;
  Completion completion;
  EncodeResult result;
  size_t next_text = 0;       // the first text that is not tokenized yet
  size_t next_sequence = 0;   // the first sequence of `request.encoded` that is not encoded yet
  std::atomic<bool> cancelled{false};

  size_t sequences_ready() const {
    return request.encoded.cu_seqlens.size() - 1 - next_sequence;
  }
  bool all_tokenized() const {
    return request.tokenizer == nullptr || next_text == request.texts.size();
  }
  bool finished() const { return all_tokenized() && sequences_ready() == 0; }

  // Moves what is still to be encoded to the front, so that memory does not grow with the number of
  // texts. What is left is less than a batch.
  void drop_encoded() {
    if (next_sequence == 0) return;
    std::vector<int32_t>& cu_seqlens = request.encoded.cu_seqlens;
    const int32_t tokens = cu_seqlens[next_sequence];
    const auto drop = [](std::vector<int32_t>& from, size_t count) {
      from.erase(from.begin(), from.begin() + static_cast<ptrdiff_t>(count));
    };
    drop(request.encoded.input_ids, static_cast<size_t>(tokens));
    drop(request.encoded.token_type_ids, static_cast<size_t>(tokens));
    drop(cu_seqlens, next_sequence);
    for (int32_t& boundary : cu_seqlens) boundary -= tokens;
    next_sequence = 0;
  }
};

// Sequences [first, first + count) of one request's `encoded`.
struct Engine::Slice {
  Active* active;
  size_t first;
  size_t count;
};

// The packed batch and its outputs; they keep their capacity from batch to batch.
struct Engine::Scratch {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> cu_seqlens;
  std::vector<float> hidden_states;
  std::vector<float> pooled;
  std::vector<float> pooler_output;
};

Engine::Engine(std::unique_ptr<Backend> backend)
    : backend_(std::move(backend)),
      max_batch_tokens_(std::max<int64_t>(1, backend_->describe().max_batch_tokens)),
      scratch_(std::make_unique<Scratch>()) {
  thread_ = std::thread([this] { run(); });
}

Engine::~Engine() { stop(); }

Result<uint64_t> Engine::submit(EncodeRequest request, Completion completion) {
  if (request.tokenizer == nullptr) {
    FUSEBERT_RETURN_IF_ERROR(check_sequences(request.encoded, 0, 0));
  }
  auto active = std::make_unique<Active>();
  active->request = std::move(request);
  active->completion = std::move(completion);
  std::lock_guard lock(mutex_);
  if (stopping_) return Status(StatusCode::kDisposed, "The model has been disposed.");
  if (queue_.size() >= kMaxQueuedRequests) {
    return Status(StatusCode::kQueueFull, "Expected at most " +
                                              std::to_string(kMaxQueuedRequests) +
                                              " waiting calls. Wait for earlier ones first.");
  }
  active->id = next_id_++;
  const uint64_t id = active->id;
  queue_.push_back(std::move(active));
  changed_.notify_one();
  return id;
}

void Engine::cancel(uint64_t id) {
  std::lock_guard lock(mutex_);
  for (const auto& active : queue_) {
    if (active->id != id) continue;
    active->cancelled.store(true, std::memory_order_relaxed);
    any_cancelled_ = true;
  }
  // A batch that still serves somebody goes on.
  if (batch_is_for_nobody()) batch_cancelled_.store(true, std::memory_order_relaxed);
  changed_.notify_one();
}

bool Engine::batch_is_for_nobody() const {
  const auto end = queue_.begin() + static_cast<ptrdiff_t>(in_batch_);
  return in_batch_ > 0 && std::all_of(queue_.begin(), end, [](const auto& active) {
           return active->cancelled.load(std::memory_order_relaxed);
         });
}

void Engine::stop() {
  std::lock_guard stop_lock(stop_mutex_);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    batch_cancelled_.store(true, std::memory_order_relaxed);
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

void Engine::trim_if_asked() {
  uint64_t asked = 0;
  {
    const std::lock_guard lock(mutex_);
    if (trims_asked_ == trims_done_) return;
    asked = trims_asked_;
  }
  backend_->trim();
  scratch_ = std::make_unique<Scratch>();
  const std::lock_guard lock(mutex_);
  trims_done_ = asked;
  trimmed_.notify_all();
}

void Engine::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return stopping_ || !queue_.empty() || trims_asked_ != trims_done_;
      });
      if (stopping_) break;
    }
    trim_if_asked();
    sweep_cancelled();
    std::vector<Slice> slices;
    Status status;
    // The guard: nothing below throws by itself, but memory may run out.
    try {
      slices = next_batch();
      if (!slices.empty()) status = encode(slices);
    } catch (const std::bad_alloc&) {
      status = Status(StatusCode::kOutOfMemory, "Not enough memory. Give fewer texts at once.");
    } catch (...) {
      status = Status(StatusCode::kInternal, "An unexpected exception ended the batch.");
    }
    after_batch(slices, status);
  }
  std::deque<std::unique_ptr<Active>> rest;
  {
    std::lock_guard lock(mutex_);
    rest.swap(queue_);
  }
  for (auto& active : rest) {
    complete(std::move(active), Status(StatusCode::kDisposed, "The model has been disposed."));
  }
}

void Engine::sweep_cancelled() {
  std::vector<std::unique_ptr<Active>> cancelled;
  {
    std::lock_guard lock(mutex_);
    if (!any_cancelled_) return;
    any_cancelled_ = false;
    for (auto& active : queue_) {
      if (active->cancelled.load(std::memory_order_relaxed)) cancelled.push_back(std::move(active));
    }
    std::erase(queue_, nullptr);
  }
  for (auto& active : cancelled) {
    complete(std::move(active), Status(StatusCode::kAborted, "The call was aborted."));
  }
}

// Ids of sequences from `first_sequence` on must be inside the model's tables: backends rely on it.
// That sequence is the caller's text number `number`. Ids stay out of messages: they are text.
Status Engine::check_sequences(const PackedEncoding& encoding, int64_t first_sequence,
                               int64_t number) const {
  const Geometry& geometry = backend_->geometry();
  const size_t tokens = encoding.input_ids.size();
  const auto name = [first_sequence, number](size_t sequence) {
    return std::to_string(static_cast<int64_t>(sequence) - first_sequence + number);
  };
  if (encoding.token_type_ids.size() != tokens || encoding.cu_seqlens.empty() ||
      encoding.cu_seqlens.front() != 0 ||
      encoding.cu_seqlens.back() != static_cast<int64_t>(tokens)) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected input_ids and token_type_ids of cu_seqlens' last value in length.");
  }
  for (size_t i = static_cast<size_t>(first_sequence); i + 1 < encoding.cu_seqlens.size(); ++i) {
    if (encoding.cu_seqlens[i + 1] > static_cast<int64_t>(tokens)) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected cu_seqlens to end at the number of tokens but it goes beyond.");
    }
    const int64_t length = int64_t{encoding.cu_seqlens[i + 1]} - encoding.cu_seqlens[i];
    if (length <= 0) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected at least one token in each text but text " + name(i) +
                        " has none.");
    }
    if (length > geometry.max_position_embeddings) {
      return Status(StatusCode::kInputTooLong,
                    "Expected at most " + std::to_string(geometry.max_position_embeddings) +
                        " tokens in a text but text " + name(i) + " has " +
                        std::to_string(length) + ". Turn truncation on, or shorten it.");
    }
    for (int32_t t = encoding.cu_seqlens[i]; t < encoding.cu_seqlens[i + 1]; ++t) {
      const size_t token = static_cast<size_t>(t);
      if (encoding.input_ids[token] < 0 || encoding.input_ids[token] >= geometry.vocab_size ||
          encoding.token_type_ids[token] < 0 ||
          encoding.token_type_ids[token] >= geometry.type_vocab_size) {
        return Status(StatusCode::kInputToken,
                      "Expected token ids below " + std::to_string(geometry.vocab_size) +
                          " and token types below " + std::to_string(geometry.type_vocab_size) +
                          " but text " + name(i) + " has others at token " +
                          std::to_string(t - encoding.cu_seqlens[i]) + ".");
      }
    }
  }
  return Status();
}

// Tokenizes texts until `token_budget` tokens are ready or no text is left.
Status Engine::fill(Active& active, int64_t token_budget) {
  if (active.request.tokenizer == nullptr) return Status();
  PackedEncoding& encoded = active.request.encoded;
  active.drop_encoded();
  const size_t first_new = encoded.cu_seqlens.size() - 1;
  const size_t first_text = active.next_text;
  while (active.next_text < active.request.texts.size() &&
         encoded.cu_seqlens.back() < token_budget &&
         !active.cancelled.load(std::memory_order_relaxed)) {
    Status status;
    // Caught here, so that the failure is this request's and not its neighbours'.
    try {
      status = active.request.tokenizer->encode(active.request.texts[active.next_text],
                                                std::nullopt, active.request.tokenizer_options,
                                                encoded);
    } catch (const std::bad_alloc&) {
      status = Status(StatusCode::kOutOfMemory, "Not enough memory to tokenize.");
    }
    if (!status.ok()) {
      return Status(status.code(),
                    "Text " + std::to_string(active.next_text) + ": " + status.message());
    }
    ++active.next_text;
  }
  return check_sequences(encoded, static_cast<int64_t>(first_new),
                         static_cast<int64_t>(first_text));
}

// Takes sequences from the front of the queue under the token budget. All slices want the same
// outputs. The requests taken from are the leading in_batch_ ones of the queue.
std::vector<Engine::Slice> Engine::next_batch() {
  std::vector<Slice> slices;
  int64_t budget = max_batch_tokens_;
  size_t visited = 0;
  for (; budget > 0; ++visited) {
    Active* active = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (visited >= queue_.size()) break;
      active = queue_[visited].get();
      if (visited > 0 && !(active->request.output == queue_[0]->request.output)) break;
      in_batch_ = visited + 1;
      batch_cancelled_.store(stopping_ || batch_is_for_nobody(), std::memory_order_relaxed);
    }
    const Status status = fill(*active, budget);
    if (!status.ok()) {
      active->result.status = status;
      slices.push_back({active, active->next_sequence, 0});
      continue;
    }
    const std::vector<int32_t>& cu_seqlens = active->request.encoded.cu_seqlens;
    size_t last = active->next_sequence;
    while (last + 1 < cu_seqlens.size() && budget > 0) {
      const int64_t length = int64_t{cu_seqlens[last + 1]} - cu_seqlens[last];
      // A sequence longer than the whole budget still gets a batch of its own.
      if (length > budget && budget < max_batch_tokens_) break;
      budget -= length;
      ++last;
    }
    const size_t count = last - active->next_sequence;
    if (count == 0 && active->sequences_ready() > 0) {
      // No room left for its next sequence; it stays at its place in the queue.
      std::lock_guard lock(mutex_);
      in_batch_ = visited;
      batch_cancelled_.store(stopping_ || batch_is_for_nobody(), std::memory_order_relaxed);
      break;
    }
    slices.push_back({active, active->next_sequence, count});
    if (active->sequences_ready() > count) break;
  }
  return slices;
}

Status Engine::encode(const std::vector<Slice>& slices) {
  Scratch& scratch = *scratch_;
  scratch.input_ids.clear();
  scratch.token_type_ids.clear();
  scratch.cu_seqlens.assign(1, 0);
  for (const Slice& slice : slices) {
    const PackedEncoding& encoded = slice.active->request.encoded;
    const int32_t begin = encoded.cu_seqlens[slice.first];
    const int32_t end = encoded.cu_seqlens[slice.first + slice.count];
    const int32_t shift = scratch.cu_seqlens.back() - begin;
    scratch.input_ids.insert(scratch.input_ids.end(), encoded.input_ids.begin() + begin,
                             encoded.input_ids.begin() + end);
    scratch.token_type_ids.insert(scratch.token_type_ids.end(),
                                  encoded.token_type_ids.begin() + begin,
                                  encoded.token_type_ids.begin() + end);
    for (size_t i = 0; i < slice.count; ++i) {
      scratch.cu_seqlens.push_back(encoded.cu_seqlens[slice.first + i + 1] + shift);
    }
  }
  const PackedBatch batch{scratch.input_ids, scratch.token_type_ids, scratch.cu_seqlens};
  if (batch.batch_size() == 0) return Status();

  const OutputOptions& wanted = slices.front().active->request.output;
  const size_t hidden = static_cast<size_t>(backend_->geometry().hidden_size);
  const size_t sequences = static_cast<size_t>(batch.batch_size());
  EncodeOutput output;
  output.pooling = wanted.pooling;
  output.normalize = wanted.normalize;
  if (wanted.wants_hidden_states()) {
    scratch.hidden_states.resize(static_cast<size_t>(batch.total_tokens()) * hidden);
    output.hidden_states = scratch.hidden_states.data();
  }
  if (wanted.wants_pooled()) {
    scratch.pooled.resize(sequences * hidden);
    output.pooled = scratch.pooled.data();
  }
  if (wanted.pooler_output) {
    scratch.pooler_output.resize(sequences * hidden);
    output.pooler_output = scratch.pooler_output.data();
  }
  FUSEBERT_RETURN_IF_ERROR(backend_->encode(batch, output, batch_cancelled_));

  size_t sequence = 0;
  for (const Slice& slice : slices) {
    EncodeResult& result = slice.active->result;
    const int64_t tokens =
        int64_t{scratch.cu_seqlens[sequence + slice.count]} - scratch.cu_seqlens[sequence];
    if (result.cu_seqlens.back() + tokens > kMaxTokensPerRequest) {
      result.status = Status(StatusCode::kInvalidArgument,
                             "Expected at most " + std::to_string(kMaxTokensPerRequest) +
                                 " tokens in one call. Give fewer texts at once.");
      sequence += slice.count;
      continue;
    }
    const size_t first_token = static_cast<size_t>(scratch.cu_seqlens[sequence]);
    const size_t last_token = static_cast<size_t>(scratch.cu_seqlens[sequence + slice.count]);
    const auto append = [hidden](std::vector<float>& to, const float* from, size_t begin,
                                 size_t end) {
      if (from != nullptr) to.insert(to.end(), from + begin * hidden, from + end * hidden);
    };
    append(result.hidden_states, output.hidden_states, first_token, last_token);
    append(result.pooled, output.pooled, sequence, sequence + slice.count);
    append(result.pooler_output, output.pooler_output, sequence, sequence + slice.count);
    for (size_t i = 0; i < slice.count; ++i, ++sequence) {
      const int32_t length = scratch.cu_seqlens[sequence + 1] - scratch.cu_seqlens[sequence];
      result.cu_seqlens.push_back(result.cu_seqlens.back() + length);
    }
  }
  return Status();
}

// Completes what has ended and sends the rest of the batch's requests to the end of the queue.
void Engine::after_batch(const std::vector<Slice>& slices, const Status& status) {
  std::vector<std::unique_ptr<Active>> ended;
  {
    std::lock_guard lock(mutex_);
    in_batch_ = 0;
    if (slices.empty() && !status.ok() && !queue_.empty()) {
      // The batch could not even be put together: its first request pays.
      queue_.front()->result.status = status;
      ended.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    for (const Slice& slice : slices) {
      // Slices are the leading requests of the queue, in order.
      std::unique_ptr<Active> active = std::move(queue_.front());
      queue_.pop_front();
      // A cancelled batch is no failure of a request that was not cancelled: it is tried again.
      if (status.ok()) active->next_sequence = slice.first + slice.count;
      const bool failed = !status.ok() && status.code() != StatusCode::kAborted;
      if (active->result.status.ok() && failed) active->result.status = status;
      if (!active->result.status.ok() || (active->finished() && !active->cancelled)) {
        ended.push_back(std::move(active));
      } else {
        queue_.push_back(std::move(active));
      }
    }
  }
  for (auto& active : ended) {
    Status result = active->result.status;
    complete(std::move(active), std::move(result));
  }
}

void Engine::complete(std::unique_ptr<Active> active, Status status) {
  EncodeResult result;
  if (status.ok()) {
    result = std::move(active->result);
    result.truncated = active->request.encoded.truncated;
  } else {
    result.status = std::move(status);
  }
  active->completion(std::move(result));
}

}  // namespace fusebert
