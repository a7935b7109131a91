// BertNormalizer as a stream: clean text, put spaces around Chinese characters, decompose
// canonically and drop nonspacing marks, lowercase. Every normalised code point keeps the range of
// the original text that it stands for.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/span.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace fusebert {

struct NormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// Marks whose canonical order is not known until the next starter comes. The reference tells which
// range a reordered mark stands for by counting: the code points that begin a decomposition take
// the original ranges in turn, the others repeat the range before them.
class MarkBuffer {
 public:
  explicit MarkBuffer(int32_t position) : last_span_{position, position} {}

  bool empty() const { return marks_.empty(); }
  Span last_span() const { return last_span_; }
  void set_last_span(Span span) { last_span_ = span; }
  void add(char32_t code_point, const unicode::CodePointInfo& properties, bool first, Span span);

  // Hands what survives accent stripping to emit(code_point, span) in canonical order, and
  // empties the buffer. Returns false as soon as emit does.
  template <typename Emit>
  bool flush(Emit&& emit) {
    if (survivors_ > 0) sort();
    size_t next_span = 0;
    bool more = true;
    for (const Mark& mark : marks_) {
      if (survivors_ == 0 || !more) break;
      if (mark.first) last_span_ = spans_[next_span++];
      if (mark.survives) more = emit(mark.code_point, last_span_);
    }
    if (!spans_.empty()) last_span_ = spans_.back();
    marks_.clear();
    spans_.clear();
    survivors_ = 0;
    return more;
  }

 private:
  struct Mark {
    char32_t code_point;
    uint8_t combining_class;
    bool first;  // begins the decomposition of a code point of the text
    bool survives;
  };

  void sort();

  std::vector<Mark> marks_;
  std::vector<Span> spans_;  // of the marks that are `first`, in text order
  size_t survivors_ = 0;
  Span last_span_;
};

class Normalizer {
 public:
  explicit Normalizer(const NormalizerOptions& options);

  // What an ASCII character becomes, or -1 where it is removed.
  int32_t map_ascii(unsigned char byte) const { return ascii_[byte]; }
  bool lowercase() const { return options_.lowercase; }
  // Whether marks are put in canonical order, so that neighbours matter.
  bool orders_marks() const { return options_.strip_accents; }

  // Normalises `text` and hands every code point to sink(code_point, span), which returns false to
  // stop. `cursor` is moved over what was read. Returns false when the sink stopped it.
  template <typename Sink>
  bool run(std::string_view text, Cursor& cursor, Sink&& sink) const {
    MarkBuffer marks(cursor.position);
    for (size_t position = 0; position < text.size();) {
      const auto byte = static_cast<unsigned char>(text[position]);
      if (byte < 0x80 && marks.empty()) {
        ++position;
        const Span span = cursor.advance(byte);
        const int8_t mapped = ascii_[byte];
        if (mapped == kDropAscii) continue;
        marks.set_last_span(span);
        if (!sink(static_cast<char32_t>(mapped), span)) return false;
        continue;
      }
      if (!step(text, position, cursor, marks, sink)) return false;
    }
    return marks.flush([&](char32_t c, Span s) { return lower(c, s, sink); });
  }

  // The same for the character at `position`, and for those behind it while marks wait for the one
  // that tells their order. `position` is behind them then.
  template <typename Sink>
  bool run_character(std::string_view text, size_t& position, Cursor& cursor, Sink&& sink) const {
    MarkBuffer marks(cursor.position);
    do {
      if (!step(text, position, cursor, marks, sink)) return false;
    } while (!marks.empty() && position < text.size());
    return marks.flush([&](char32_t c, Span s) { return lower(c, s, sink); });
  }

 private:
  static constexpr int8_t kDropAscii = -1;

  template <typename Sink>
  bool step(std::string_view text, size_t& position, Cursor& cursor, MarkBuffer& marks,
            Sink& sink) const {
    const utf8::Decoded decoded = utf8::decode(text, position);
    position += static_cast<size_t>(decoded.bytes);
    const Span span = cursor.advance(decoded.code_point);
    return clean(decoded.code_point, span, marks, sink);
  }

  template <typename Sink>
  bool clean(char32_t c, Span span, MarkBuffer& marks, Sink& sink) const {
    const uint8_t flags = unicode::info(c).flags;
    if (options_.clean_text) {
      if (flags & unicode::kRemoved) return true;
      if (flags & unicode::kWhitespace) c = U' ';
    }
    if (options_.handle_chinese_chars && (flags & unicode::kChinese)) {
      return strip(U' ', span, marks, sink) && strip(c, span, marks, sink) &&
             strip(U' ', span, marks, sink);
    }
    return strip(c, span, marks, sink);
  }

  template <typename Sink>
  bool strip(char32_t c, Span span, MarkBuffer& marks, Sink& sink) const {
    if (!options_.strip_accents) return lower(c, span, sink);
    if (c - unicode::kHangulSyllables < unicode::kHangulSyllableCount) {
      const char32_t syllable = c - unicode::kHangulSyllables;
      const char32_t trail = syllable % unicode::kHangulTrailCount;
      const char32_t vowel =
          syllable % unicode::kHangulVowelTrailCount / unicode::kHangulTrailCount;
      const char32_t lead = syllable / unicode::kHangulVowelTrailCount;
      return order(unicode::kHangulLeads + lead, true, span, marks, sink) &&
             order(unicode::kHangulVowels + vowel, false, span, marks, sink) &&
             (trail == 0 || order(unicode::kHangulTrails + trail, false, span, marks, sink));
    }
    const uint16_t decomposition = unicode::info(c).decomposition;
    if (decomposition == 0) return order(c, true, span, marks, sink);
    const char32_t length = unicode::kPool[decomposition];
    for (char32_t k = 1; k <= length; ++k) {
      if (!order(unicode::kPool[decomposition + k], k == 1, span, marks, sink)) return false;
    }
    return true;
  }

  // Canonical order: marks wait for the next starter.
  template <typename Sink>
  bool order(char32_t c, bool first, Span span, MarkBuffer& marks, Sink& sink) const {
    const unicode::CodePointInfo& properties = unicode::info(c);
    if (properties.combining_class != 0) {
      marks.add(c, properties, first, span);
      return true;
    }
    if (!marks.empty() &&
        !marks.flush([&](char32_t m, Span s) { return lower(m, s, sink); })) {
      return false;
    }
    if (first) marks.set_last_span(span);
    if (properties.flags & unicode::kNonspacingMark) return true;
    return lower(c, marks.last_span(), sink);
  }

  template <typename Sink>
  bool lower(char32_t c, Span span, Sink& sink) const {
    if (!options_.lowercase) return sink(c, span);
    const unicode::CodePointInfo& properties = unicode::info(c);
    if (!(properties.flags & unicode::kLowercaseExpands)) {
      return sink(static_cast<char32_t>(static_cast<int32_t>(c) + properties.lowercase), span);
    }
    const char32_t* expansion = unicode::kPool + properties.lowercase;
    for (char32_t k = 1; k <= expansion[0]; ++k) {
      if (!sink(expansion[k], span)) return false;
    }
    return true;
  }

  NormalizerOptions options_;
  std::array<int8_t, 128> ascii_;  // what an ASCII character becomes, or kDropAscii
};

}  // namespace fusebert
