// The parts of the normaliser that do not depend on who listens: the ASCII table and the canonical
// ordering of marks.
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <array>

namespace fusebert {

namespace {

// Runs up to this long are sorted by insertion; longer ones by counting, so that a text that is all
// marks takes linear time.
constexpr size_t kInsertionSortMarks = 16;
constexpr size_t kCombiningClasses = 256;

}  // namespace

Normalizer::Normalizer(const NormalizerOptions& options) : options_(options) {
  for (char32_t c = 0; c < ascii_.size(); ++c) {
    const unicode::CodePointInfo& properties = unicode::info(c);
    char32_t mapped = c;
    if (options.clean_text && (properties.flags & unicode::kWhitespace)) mapped = U' ';
    if (options.lowercase) {
      mapped = static_cast<char32_t>(static_cast<int32_t>(mapped) +
                                     unicode::info(mapped).lowercase);
    }
    const bool removed = options.clean_text && (properties.flags & unicode::kRemoved);
    ascii_[c] = removed ? kDropAscii : static_cast<int8_t>(mapped);
  }
}

void MarkBuffer::add(char32_t code_point, const unicode::CodePointInfo& properties, bool first,
                     Span span) {
  const bool survives = !(properties.flags & unicode::kNonspacingMark);
  marks_.push_back({code_point, properties.combining_class, first, survives});
  if (first) spans_.push_back(span);
  if (survives) ++survivors_;
}

// Stable, by combining class.
void MarkBuffer::sort() {
  if (marks_.size() <= kInsertionSortMarks) {
    for (size_t i = 1; i < marks_.size(); ++i) {
      const Mark mark = marks_[i];
      size_t j = i;
      for (; j > 0 && marks_[j - 1].combining_class > mark.combining_class; --j) {
        marks_[j] = marks_[j - 1];
      }
      marks_[j] = mark;
    }
    return;
  }
  std::array<size_t, kCombiningClasses + 1> start{};
  for (const Mark& mark : marks_) ++start[mark.combining_class + 1u];
  for (size_t k = 1; k < start.size(); ++k) start[k] += start[k - 1];
  std::vector<Mark> sorted(marks_.size());
  for (const Mark& mark : marks_) sorted[start[mark.combining_class]++] = mark;
  marks_ = std::move(sorted);
}

}  // namespace fusebert
