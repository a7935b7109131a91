// A batch whose texts are encoded in parts, by several threads at once. What comes out is what one
// thread makes of all texts in their order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/status.h"
#include "core/text_list.h"
#include "tokenizer/tokenizer.h"

namespace fusebert {

struct TextPart {
  TextList texts;
  std::optional<TextList> pairs;  // as many as texts
  int64_t first_text = 0;         // which of the batch's texts texts[0] is

  size_t size_bytes() const {
    return texts.size_bytes() + (pairs.has_value() ? pairs->size_bytes() : 0);
  }

  // Calls on_text(text, pair) for each; a failure tells which text of the batch it is about.
  template <typename OnText>
  Status for_each(OnText&& on_text) const {
    for (size_t i = 0; i < texts.size(); ++i) {
      const Status status =
          on_text(texts[i], pairs.has_value() ? std::optional((*pairs)[i]) : std::nullopt);
      if (status.ok()) continue;
      const int64_t index = first_text + static_cast<int64_t>(i);
      return Status(status.code(), "Text " + std::to_string(index) + ": " + status.message());
    }
    return Status();
  }
};

struct BatchEncoding {
  PackedEncoding packed;
  std::vector<int32_t> samples;  // [sequences] the text of each, where overflowing ones are wanted
};

class BatchEncoder {
 public:
  // `expected_bytes`: of all texts, for the memory that is taken at once; may be wrong.
  BatchEncoder(std::shared_ptr<const Tokenizer> tokenizer, const EncodeOptions& options,
               size_t expected_bytes);

  // Encodes a part. `index` counts the parts from 0 on, each is encoded once. Any thread; fails as
  // Tokenizer::encode does, and then no part after it is in the batch either.
  Status encode(int64_t index, const TextPart& part);

  // What all parts became. Once, when none is being encoded.
  BatchEncoding take() { return std::move(all_); }

 private:
  Status encode_part(const TextPart& part, BatchEncoding& out);
  Status append_waiting(std::unique_lock<std::mutex>& lock);
  std::unique_ptr<BatchEncoding> spare();
  void reserve_rest();

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const EncodeOptions options_;
  const size_t expected_bytes_;

  // Belongs to who encodes or appends part next_.
  BatchEncoding all_;
  size_t read_bytes_ = 0;  // of the parts that were encoded into all_

  std::mutex mutex_;
  int64_t next_ = 0;  // the part that is appended next
  std::map<int64_t, std::unique_ptr<BatchEncoding>> waiting_;  // parts after it
  std::vector<std::unique_ptr<BatchEncoding>> spare_;          // empty; their memory is used again
};

}  // namespace fusebert
