// Properties of code points as the reference implementation sees them. The tables are generated
// (scripts/unicode-tables); this header says how they are read.
#pragma once

#include <cstdint>

namespace fusebert::unicode {

inline constexpr char32_t kReplacement = 0xFFFD;
inline constexpr char32_t kCodePoints = 0x110000;
inline constexpr char32_t kSurrogates = 0xD800;
inline constexpr char32_t kSurrogatesEnd = 0xE000;
inline constexpr int kBlockShift = 7;
inline constexpr char32_t kBlockMask = (1u << kBlockShift) - 1;

// Hangul syllables decompose by arithmetic (The Unicode Standard, section 3.12).
inline constexpr char32_t kHangulSyllables = 0xAC00;
inline constexpr char32_t kHangulSyllableCount = 11172;
inline constexpr char32_t kHangulLeads = 0x1100;
inline constexpr char32_t kHangulVowels = 0x1161;
inline constexpr char32_t kHangulTrails = 0x11A7;
inline constexpr char32_t kHangulTrailCount = 28;
inline constexpr char32_t kHangulVowelTrailCount = 588;

// Bits of CodePointInfo::flags.
inline constexpr uint8_t kRemoved = 1 << 0;           // clean_text drops it
inline constexpr uint8_t kWhitespace = 1 << 1;        // White_Space
inline constexpr uint8_t kPunctuation = 1 << 2;       // BERT's punctuation: a word by itself
inline constexpr uint8_t kChinese = 1 << 3;           // handle_chinese_chars puts spaces around it
inline constexpr uint8_t kNonspacingMark = 1 << 4;    // strip_accents drops it
inline constexpr uint8_t kWordCharacter = 1 << 5;     // \w of a regular expression
inline constexpr uint8_t kLowercaseExpands = 1 << 6;  // lowercase is an index into kPool

struct CodePointInfo {
  int32_t lowercase;        // what to add for the lowercase form; see kLowercaseExpands
  uint16_t decomposition;   // index into kPool of the full canonical decomposition, 0: none
  uint8_t combining_class;  // canonical combining class
  uint8_t flags;
};

extern const uint16_t kBlocks[];
extern const uint16_t kCells[];
extern const CodePointInfo kRecords[];
// Sequences of code points, each led by its length.
extern const char32_t kPool[];

// `c` is a scalar value (below kCodePoints).
inline const CodePointInfo& info(char32_t c) {
  const uint32_t block = kBlocks[c >> kBlockShift];
  return kRecords[kCells[(block << kBlockShift) | (c & kBlockMask)]];
}

// What the pattern of GPT-2 takes a character for: \p{L}, \p{N}, \s, or none of them.
enum class SplitClass : uint8_t { kOther, kLetter, kNumber, kSpace };

extern const uint8_t kSplitBlocks[];
extern const uint8_t kSplitCells[];

// `c` is a scalar value (below kCodePoints).
inline SplitClass split_class(char32_t c) {
  const uint32_t block = kSplitBlocks[c >> kBlockShift];
  return static_cast<SplitClass>(kSplitCells[(block << kBlockShift) | (c & kBlockMask)]);
}

}  // namespace fusebert::unicode
