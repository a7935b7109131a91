// Sixteen bytes of text, byte by byte: the reference of the other blocks, and what is used where
// there is none.
#pragma once

#include "tokenizer/simd/word_key.h"

namespace fusebert::simd {

class PortableBlock {
 public:
  explicit PortableBlock(const char* text) { std::memcpy(bytes_, text, kBlockBytes); }

  // How many bytes from the first on are ASCII letters or digits.
  uint32_t alphanumeric_run() const {
    return run([](unsigned char byte) { return is_alphanumeric(byte); });
  }

  // The same where bytes above 0x7F count too.
  uint32_t word_run() const {
    return run([](unsigned char byte) { return byte >= 0x80 || is_alphanumeric(byte); });
  }

  // How many from the byte `from` on, 0 or 1, are ASCII letters.
  uint32_t letter_run(uint32_t from) const {
    uint32_t length = from;
    while (length < kBlockBytes && is_letter(bytes_[length])) ++length;
    return length - from;
  }

  // The first `length` bytes, the bits of `fold` set in each. 0x20 makes ASCII letters lower case
  // and leaves digits alone.
  WordKey key(uint32_t length, unsigned char fold) const {
    char folded[kBlockBytes];
    for (uint32_t i = 0; i < length; ++i) folded[i] = static_cast<char>(bytes_[i] | fold);
    return make_key(folded, length);
  }

 private:
  static bool is_letter(unsigned char byte) {
    const unsigned char letter = byte | 0x20;
    return letter >= 'a' && letter <= 'z';
  }

  static bool is_alphanumeric(unsigned char byte) {
    return is_letter(byte) || (byte >= '0' && byte <= '9');
  }

  template <typename Predicate>
  uint32_t run(Predicate&& predicate) const {
    uint32_t length = 0;
    while (length < kBlockBytes && predicate(bytes_[length])) ++length;
    return length;
  }

  unsigned char bytes_[kBlockBytes];
};

}  // namespace fusebert::simd
