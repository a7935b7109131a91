// Tokens of one text: ids, and where they are when that is wanted. The memory is kept for the next.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "tokenizer/span.h"

namespace fusebert {

class TokenBuffer {
 public:
  // Empties it.
  void start(bool keep_spans) {
    size_ = 0;
    spans_.clear();
    first_spans_.clear();
    keep_spans_ = keep_spans;
  }

  size_t size() const { return size_; }
  bool keeps_spans() const { return keep_spans_; }
  std::span<const int32_t> ids() const { return {ids_.get(), size_}; }
  std::span<const Span> spans() const { return spans_; }
  // The span of a token where a sequence begins with it.
  Span first_span(size_t i) const { return first_spans_.empty() ? spans_[i] : first_spans_[i]; }

  void push(int32_t id, Span span) {
    push_id(id);
    if (keep_spans_) spans_.push_back(span);
  }

  // Without its span, which follows by push_span.
  void push_id(int32_t id) {
    if (size_ == capacity_) grow(1);
    ids_[size_++] = id;
  }

  // Room for `count` ids more; those that are written there become tokens by `commit`.
  int32_t* room(size_t count) {
    if (capacity_ - size_ < count) grow(count);
    return ids_.get() + size_;
  }
  void commit(size_t count) { size_ += count; }
  // Of a token that was committed.
  void push_span(Span span) { spans_.push_back(span); }
  // Where the span is another one when a sequence begins with the token: for all tokens, or none.
  void push_first_span(Span span) { first_spans_.push_back(span); }

  void truncate(size_t size) {
    size_ = size;
    if (keep_spans_) spans_.resize(size);
    if (!first_spans_.empty()) first_spans_.resize(size);
  }

  // Gives back what an unusually long text took.
  void trim() {
    if (capacity_ <= kMaxKept && spans_.capacity() <= kMaxKept &&
        first_spans_.capacity() <= kMaxKept) {
      return;
    }
    *this = TokenBuffer();
  }

 private:
  static constexpr size_t kMaxKept = size_t{1} << 18;
  static constexpr size_t kLeast = 1024;

  void grow(size_t count) {
    size_t capacity = capacity_ < kLeast ? kLeast : capacity_ * 2;
    while (capacity - size_ < count) capacity *= 2;
    auto ids = std::make_unique_for_overwrite<int32_t[]>(capacity);
    if (size_ > 0) std::memcpy(ids.get(), ids_.get(), size_ * sizeof(int32_t));
    ids_ = std::move(ids);
    capacity_ = capacity;
  }

  std::unique_ptr<int32_t[]> ids_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  bool keep_spans_ = false;
  std::vector<Span> spans_;        // [size_] when they are kept
  std::vector<Span> first_spans_;  // [size_] when they are kept, or none
};

}  // namespace fusebert
