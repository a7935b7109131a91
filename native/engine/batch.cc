// Packing, and copying results to where they belong.
#include "engine/batch.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace fusebert {
namespace {

// Copies `count` rows of `row` numbers to their place in an array that will have `expected` rows,
// or 0 when nobody knows.
template <class Number>
void put(std::vector<Number>& to, int64_t place, const Number* rows, int64_t count, int64_t row,
         int64_t expected) {
  const auto end = static_cast<size_t>((place + count) * row);
  if (to.empty()) to.reserve(std::max(end, static_cast<size_t>(expected * row)));
  if (to.size() < end) to.resize(end);
  std::copy(rows, rows + count * row, to.begin() + place * row);
}

// Null when it is not wanted.
template <class Number>
Number* resized(std::vector<Number>& values, bool wanted, int64_t count) {
  if (!wanted) return nullptr;
  values.resize(static_cast<size_t>(count));
  return values.data();
}

}  // namespace

void Batch::clear() {
  slices_.clear();
  input_ids_.clear();
  token_type_ids_.clear();
  cu_seqlens_.assign(1, 0);
  logit_count_ = 0;
  cancelled_.store(false, std::memory_order_relaxed);
}

void Batch::trim() {
  clear();
  for (auto* ints : {&input_ids_, &token_type_ids_, &top_columns_}) *ints = std::vector<int32_t>();
  for (auto* floats : {&hidden_states_, &pooled_, &finished_, &pooler_output_, &logits_,
                       &top_values_, &log_sum_exp_}) {
    *floats = std::vector<float>();
  }
}

Batch::Room Batch::find_room(const ActiveRequest& request) const {
  const PackedEncoding& ready = request.ready();
  const size_t first = request.first_ready();
  Room found{first, logit_count_};
  for (; found.end + 1 < ready.cu_seqlens.size(); ++found.end) {
    const int64_t logits = found.logits + request.logits_of(found.end);
    const int64_t tokens = int64_t{ready.cu_seqlens[found.end + 1]} - ready.cu_seqlens[first];
    if (tokens > room() || logits > max_logits_) {
      return empty() && found.end == first ? Room{first + 1, logits} : found;
    }
    found.logits = logits;
  }
  return found;
}

Result<bool> Batch::take(const std::shared_ptr<ActiveRequest>& request) {
  const PackedEncoding& ready = request->ready();
  const size_t first = request->first_ready();
  const int32_t begin = ready.cu_seqlens[first];
  const auto [last, logits] = find_room(*request);
  if (last == first) return false;
  FUSEBERT_RETURN_IF_ERROR(request->prepare_to_take(last - first));
  const int32_t end = ready.cu_seqlens[last];
  try {
    // Room first: what follows cannot fail.
    const auto tokens = input_ids_.size() + static_cast<size_t>(end - begin);
    input_ids_.reserve(tokens);
    token_type_ids_.reserve(tokens);
    cu_seqlens_.reserve(cu_seqlens_.size() + (last - first));
    slices_.reserve(slices_.size() + 1);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
  const int32_t shift = cu_seqlens_.back() - begin;
  const auto append = [&](std::vector<int32_t>& to, const LargeVector<int32_t>& from) {
    to.insert(to.end(), from.begin() + begin, from.begin() + end);
  };
  append(input_ids_, ready.input_ids);
  append(token_type_ids_, ready.token_type_ids);
  for (size_t i = first; i < last; ++i) cu_seqlens_.push_back(ready.cu_seqlens[i + 1] + shift);
  slices_.push_back({request, last - first, request->sequences_taken(), request->tokens_taken(),
                     request->head_rows_taken(), 0});
  output_ = request->output();
  logit_count_ = logits;
  request->take(last - first);
  slices_.back().head_rows = request->head_rows_taken() - slices_.back().first_head_row;
  request->joined_batch();
  return true;
}

void Batch::prepare(const Geometry& geometry, const PooledLayers* layers) {
  hidden_size_ = geometry.hidden_size;
  const int64_t sequences = packed().batch_size() * hidden_size_;
  const int64_t tokens = packed().total_tokens() * hidden_size_;
  wanted_.pooling = output_.pooling;
  wanted_.skip_tokens = output_.skip_tokens;
  wanted_.normalize = output_.normalize && !output_.wants_pooled_layers();
  wanted_.hidden_states = resized(hidden_states_, output_.wants_hidden_states(), tokens);
  const int64_t poolings = output_.pooling.count;
  wanted_.pooled = resized(pooled_, output_.wants_pooled(), poolings * sequences);
  pooled_size_ = poolings * hidden_size_;
  if (output_.wants_pooled_layers()) {
    if (output_.pooled_layers) pooled_size_ = layers->outputs(pooled_size_);
    resized(finished_, true, packed().batch_size() * pooled_size_);
  }
  wanted_.pooler_output = resized(pooler_output_, output_.pooler_output, sequences);
  int64_t rows = 0;
  for (const Slice& slice : slices_) rows += slice.head_rows;
  head_outputs_ = geometry.head.has_value() ? geometry.head->outputs : 0;
  wanted_.head_token = output_.head_token;
  wanted_.logits = resized(logits_, output_.logits, rows * head_outputs_);
  const int32_t top = output_.top_logits;
  wanted_.top = {top, resized(top_columns_, top > 0, rows * top),
                 resized(top_values_, top > 0, rows * top), resized(log_sum_exp_, top > 0, rows)};
}

void Batch::finish(PooledLayers* layers) {
  if (!output_.wants_pooled_layers()) return;
  layers->run(wanted_.pooled, packed().batch_size(), output_.pooling.count * hidden_size_,
              output_.pooled_layers, output_.normalize, finished_.data());
  wanted_.pooled = finished_.data();
}

bool Batch::is_for_nobody() const {
  return std::all_of(slices_.begin(), slices_.end(),
                     [](const Slice& slice) { return slice.request->cancelled(); });
}

void Batch::hand_out() {
  size_t sequence = 0;
  int64_t head_row = 0;
  for (const Slice& slice : slices_) {
    try {
      hand_out(slice, sequence, head_row);
    } catch (const std::bad_alloc&) {
      slice.request->fail(no_memory());
    }
    sequence += slice.count;
    head_row += slice.head_rows;
  }
}

void Batch::hand_out(const Slice& slice, size_t sequence, int64_t head_row) {
  EncodeResult& result = slice.request->result();
  const int64_t h = hidden_size_;
  if (wanted_.hidden_states != nullptr) {
    const int64_t token = cu_seqlens_[sequence];
    const int64_t tokens = cu_seqlens_[sequence + slice.count] - token;
    put(result.hidden_states, slice.first_token, wanted_.hidden_states + token * h, tokens, h, 0);
  }
  const int64_t expected = slice.request->expected_sequences();
  const auto put_rows = [&](std::vector<float>& to, const float* from, int64_t columns) {
    if (from == nullptr) return;
    put(to, slice.first_sequence, from + static_cast<int64_t>(sequence) * columns,
        static_cast<int64_t>(slice.count), columns, expected);
  };
  put_rows(result.pooled, wanted_.pooled, pooled_size_);
  put_rows(result.pooler_output, wanted_.pooler_output, h);
  hand_out_head(slice, head_row);
}

void Batch::hand_out_head(const Slice& slice, int64_t head_row) {
  EncodeResult& result = slice.request->result();
  // How many rows there will be is known of one a sequence alone.
  const bool one_each = slice.head_rows == static_cast<int64_t>(slice.count);
  const int64_t expected = one_each ? slice.request->expected_sequences() : 0;
  const auto put_rows = [&](auto& to, const auto* from, int64_t columns) {
    if (from == nullptr) return;
    put(to, slice.first_head_row, from + head_row * columns, slice.head_rows, columns, expected);
  };
  put_rows(result.logits, wanted_.logits, head_outputs_);
  put_rows(result.top_columns, wanted_.top.columns, wanted_.top.count);
  put_rows(result.top_values, wanted_.top.values, wanted_.top.count);
  put_rows(result.log_sum_exp, wanted_.top.log_sum_exp, 1);
}

void Batch::fail(const Status& status) {
  for (const Slice& slice : slices_) slice.request->fail(status);
}

std::shared_ptr<ActiveRequest> Batch::fail_sequence(int64_t sequence, const Status& status) {
  size_t index = 0;
  while (sequence >= static_cast<int64_t>(slices_[index].count)) {
    sequence -= static_cast<int64_t>(slices_[index].count);
    ++index;
  }
  const Slice& slice = slices_[index];
  const std::shared_ptr<ActiveRequest> request = slice.request;
  try {
    const std::string number = std::to_string(slice.first_sequence + sequence);
    request->fail(Status(status.code(), "Text " + number + ": " + status.message()));
  } catch (const std::bad_alloc&) {
    request->fail(no_memory());
  }
  remove(index);
  return request;
}

void Batch::remove(size_t slice) {
  size_t first = 0;
  for (size_t i = 0; i < slice; ++i) first += slices_[i].count;
  const size_t last = first + slices_[slice].count;
  const int32_t begin = cu_seqlens_[first], end = cu_seqlens_[last];
  const auto erase = [](std::vector<int32_t>& from, auto at, auto to) {
    from.erase(from.begin() + static_cast<ptrdiff_t>(at),
               from.begin() + static_cast<ptrdiff_t>(to));
  };
  erase(input_ids_, begin, end);
  erase(token_type_ids_, begin, end);
  erase(cu_seqlens_, first + 1, last + 1);
  for (size_t i = first + 1; i < cu_seqlens_.size(); ++i) cu_seqlens_[i] -= end - begin;
  slices_.erase(slices_.begin() + static_cast<ptrdiff_t>(slice));
}

}  // namespace fusebert
