// What becomes of one character, for those of the Basic Multilingual Plane whose neighbours do not
// matter: one look-up instead of all stages of the normaliser and the pre-tokenizer.
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/normalizer.h"

namespace fusebert {

// What a character does to the words of a text.
enum class CharacterKind : uint8_t {
  kOther,      // the normaliser decides
  kContinues,  // it is part of a word
  kAlone,      // it is a word by itself
  kSpace,      // it ends the word before it
  kNothing,    // it disappears
  kMark,       // it disappears, but takes part in the order of the marks around it
};

struct Character {
  CharacterKind kind;
  uint8_t length;  // bytes of what it becomes, with kContinues and kAlone
  uint32_t bytes;  // what it becomes in UTF-8, the first byte lowest
};

class CharacterTable {
 public:
  explicit CharacterTable(const Normalizer& normalizer);

  // kOther beyond the plane.
  Character operator[](char32_t c) const {
    const uint32_t entry = c < kCharacters ? entries_[c] : 0;
    return {static_cast<CharacterKind>(entry >> kKindShift),
            static_cast<uint8_t>((entry >> kLengthShift) & 3), entry & kByteMask};
  }

 private:
  static constexpr char32_t kCharacters = 0x10000;
  static constexpr int kKindShift = 28;
  static constexpr int kLengthShift = 24;
  static constexpr uint32_t kByteMask = 0xFFFFFF;

  std::vector<uint32_t> entries_;  // [kCharacters]
};

}  // namespace fusebert
