// What a byte of the original text means for where words end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tokenizer/normalizer.h"

namespace fusebert {

enum class ByteClass : uint8_t {
  kAlphanumeric,  // an ASCII letter or digit
  kSpace,         // ASCII that normalisation leaves as white space
  kPunctuation,   // ASCII that is a word by itself
  kOther,         // ASCII that is removed, or is part of words; bytes of other characters
};

class ByteClasses {
 public:
  explicit ByteClasses(const Normalizer& normalizer) {
    classes_.fill(ByteClass::kOther);
    for (unsigned char byte = 0; byte < 0x80; ++byte) {
      const int32_t mapped = normalizer.map_ascii(byte);
      if (mapped < 0) continue;
      const uint8_t flags = unicode::info(static_cast<char32_t>(mapped)).flags;
      const unsigned char letter = byte | 0x20;
      if (flags & unicode::kWhitespace) {
        classes_[byte] = ByteClass::kSpace;
      } else if (flags & unicode::kPunctuation) {
        classes_[byte] = ByteClass::kPunctuation;
      } else if ((letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9')) {
        classes_[byte] = ByteClass::kAlphanumeric;
      }
    }
    for (size_t byte = 0; byte < classes_.size(); ++byte) {
      ends_word_[byte] = classes_[byte] == ByteClass::kSpace ||
                         classes_[byte] == ByteClass::kPunctuation;
    }
  }

  ByteClass operator[](char byte) const { return classes_[static_cast<unsigned char>(byte)]; }

  // Whether words end before `byte`, whatever comes around it.
  bool ends_word(char byte) const { return ends_word_[static_cast<unsigned char>(byte)]; }

 private:
  std::array<ByteClass, 256> classes_;
  std::array<bool, 256> ends_word_;
};

}  // namespace fusebert
