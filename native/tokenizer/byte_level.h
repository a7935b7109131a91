// The characters that stand for bytes in byte-level vocabularies: printable ones of Latin-1 for
// themselves, the others by U+0100 and what follows, in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/utf8.h"

namespace fusebert::byte_level {

inline constexpr size_t kBytes = 256;
inline constexpr char32_t kMapped = 0x100;

constexpr bool stands_for_itself(size_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

constexpr std::array<char32_t, kBytes> make_characters() {
  std::array<char32_t, kBytes> characters{};
  char32_t mapped = kMapped;
  for (size_t byte = 0; byte < kBytes; ++byte) {
    characters[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : mapped++;
  }
  return characters;
}

inline constexpr std::array<char32_t, kBytes> kCharacters = make_characters();

// What a space becomes.
inline constexpr char32_t kSpace = kCharacters[' '];

constexpr std::array<int16_t, 2 * kBytes> make_bytes() {
  std::array<int16_t, 2 * kBytes> bytes{};
  bytes.fill(-1);
  for (size_t byte = 0; byte < kBytes; ++byte) {
    bytes[kCharacters[byte]] = static_cast<int16_t>(byte);
  }
  return bytes;
}

inline constexpr std::array<int16_t, 2 * kBytes> kByteOf = make_bytes();

// The byte that a character stands for, or -1.
inline int32_t byte_of(char32_t c) { return c < kByteOf.size() ? kByteOf[c] : -1; }

// How many bytes of UTF-8 the character of a byte takes: 1 or 2.
inline uint32_t character_bytes(unsigned char byte) { return kCharacters[byte] < 0x80 ? 1 : 2; }

inline std::string character(unsigned char byte) {
  char encoded[utf8::kMaxBytes];
  return {encoded, static_cast<size_t>(utf8::encode(kCharacters[byte], encoded))};
}

// The bytes that a token's characters stand for; none when one of them stands for no byte.
inline std::optional<std::string> to_bytes(std::string_view token) {
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const utf8::Decoded decoded = utf8::decode(token, i);
    const int32_t byte = byte_of(decoded.code_point);
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    i += static_cast<size_t>(decoded.bytes);
  }
  return bytes;
}

}  // namespace fusebert::byte_level
