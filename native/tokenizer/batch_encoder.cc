// The part whose turn it is goes straight to the end of the batch; those encoded beside it wait in
// memory of their own, which stays in the processor's caches, and are copied when their turn comes.
#include "tokenizer/batch_encoder.h"

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace fusebert {

namespace {

// After this much text the batch's memory is taken for the rest.
constexpr size_t kSampleBytes = size_t{1} << 16;

template <typename Values>
void append(Values& to, const Values& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Status append(BatchEncoding& to, const BatchEncoding& from) {
  const size_t shift = to.packed.input_ids.size();
  if (shift + from.packed.input_ids.size() >
      static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return Status(StatusCode::kInputTooLong, "Expected at most 2^31 - 1 tokens in one batch.");
  }
  append(to.packed.input_ids, from.packed.input_ids);
  if (!from.packed.token_type_ids.empty()) {
    to.packed.token_type_ids.resize(shift);
    append(to.packed.token_type_ids, from.packed.token_type_ids);
  } else if (!to.packed.token_type_ids.empty()) {
    to.packed.write_out_types();
  }
  append(to.packed.offsets, from.packed.offsets);
  append(to.packed.special_tokens_mask, from.packed.special_tokens_mask);
  append(to.samples, from.samples);
  LargeVector<int32_t>& ends = to.packed.cu_seqlens;
  for (size_t i = 1; i < from.packed.cu_seqlens.size(); ++i) {
    ends.push_back(static_cast<int32_t>(shift) + from.packed.cu_seqlens[i]);
  }
  to.packed.truncated += from.packed.truncated;
  return Status();
}

void clear(BatchEncoding& encoding) {
  encoding.packed.input_ids.clear();
  encoding.packed.token_type_ids.clear();
  encoding.packed.offsets.clear();
  encoding.packed.special_tokens_mask.clear();
  encoding.packed.cu_seqlens.resize(1);
  encoding.packed.truncated = 0;
  encoding.samples.clear();
}

}  // namespace

BatchEncoder::BatchEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                           const EncodeOptions& options, size_t expected_bytes)
    : tokenizer_(std::move(tokenizer)), options_(options), expected_bytes_(expected_bytes) {}

Status BatchEncoder::encode(int64_t index, const TextPart& part) {
  std::unique_ptr<BatchEncoding> own;
  {
    const std::lock_guard lock(mutex_);
    if (index != next_) own = spare();
  }
  // After a failure next_ stays what it is: nothing more is appended.
  FUSEBERT_RETURN_IF_ERROR(encode_part(part, own == nullptr ? all_ : *own));
  std::unique_lock lock(mutex_);
  if (own == nullptr) {
    ++next_;
  } else {
    waiting_.emplace(index, std::move(own));
    // Who is at an earlier part appends this one too.
    if (index != next_) return Status();
  }
  return append_waiting(lock);
}

// All parts that are next, by the thread to which all_ belongs. A part is copied without the mutex:
// the system may interrupt a thread for milliseconds, in which nobody could end a part.
Status BatchEncoder::append_waiting(std::unique_lock<std::mutex>& lock) {
  for (auto it = waiting_.find(next_); it != waiting_.end(); it = waiting_.find(++next_)) {
    std::unique_ptr<BatchEncoding> part = std::move(it->second);
    waiting_.erase(it);
    lock.unlock();
    FUSEBERT_RETURN_IF_ERROR(append(all_, *part));
    clear(*part);
    lock.lock();
    spare_.push_back(std::move(part));
  }
  return Status();
}

std::unique_ptr<BatchEncoding> BatchEncoder::spare() {
  if (spare_.empty()) return std::make_unique<BatchEncoding>();
  std::unique_ptr<BatchEncoding> encoding = std::move(spare_.back());
  spare_.pop_back();
  return encoding;
}

Status BatchEncoder::encode_part(const TextPart& part, BatchEncoding& out) {
  auto sample = static_cast<int32_t>(part.first_text);
  const bool in_turn = &out == &all_;
  Tokenizer::Session session(*tokenizer_);
  return part.for_each([&](std::string_view text, std::optional<std::string_view> pair) {
    const Status status = session.encode(text, pair, options_, out.packed);
    if (options_.overflowing) out.samples.resize(out.packed.cu_seqlens.size() - 1, sample);
    ++sample;
    if (in_turn && read_bytes_ < kSampleBytes) {
      read_bytes_ += text.size() + pair.value_or("").size();
      if (read_bytes_ >= kSampleBytes) reserve_rest();
    }
    return status;
  });
}

// Room for what the rest of the texts will take if it is like what was read. Memory that is new to
// the process costs as much as the tokens in it, and growing step by step takes twice as much.
void BatchEncoder::reserve_rest() {
  constexpr double kMargin = 1.1;
  // A guess may be far too high: texts that are cut are shorter than what was read of them.
  constexpr double kMost = 64 << 20;
  if (read_bytes_ >= expected_bytes_) return;
  const double factor =
      kMargin * static_cast<double>(expected_bytes_) / static_cast<double>(read_bytes_);
  const auto reserve = [&](auto& values) {
    const double guess = static_cast<double>(values.size()) * factor;
    values.reserve(static_cast<size_t>(std::min(guess, kMost)));
  };
  try {
    reserve(all_.packed.input_ids);
    if (!all_.packed.token_type_ids.empty()) reserve(all_.packed.token_type_ids);
    reserve(all_.packed.offsets);
    reserve(all_.packed.special_tokens_mask);
  } catch (const std::bad_alloc&) {
    // What is really needed may fit.
  }
}

}  // namespace fusebert
