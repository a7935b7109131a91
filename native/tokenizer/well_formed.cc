// Looks for malformed sequences, eight bytes of ASCII at a time.
#include "tokenizer/well_formed.h"

#include <cstring>

#include "tokenizer/utf8.h"

namespace fusebert::utf8 {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080ULL;
constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

size_t skip_ascii(std::string_view text, size_t position) {
  uint64_t word = 0;
  while (text.size() - position >= sizeof(word)) {
    std::memcpy(&word, text.data() + position, sizeof(word));
    if ((word & kHighBits) != 0) break;
    position += sizeof(word);
  }
  while (position < text.size() && static_cast<unsigned char>(text[position]) < 0x80) ++position;
  return position;
}

// Where the next malformed sequence is, at or after `position`, or the text's end.
size_t find_malformed(std::string_view text, size_t position) {
  while ((position = skip_ascii(text, position)) < text.size()) {
    const Decoded decoded = decode(text, position);
    const auto length = static_cast<size_t>(decoded.bytes);
    if (decoded.code_point == unicode::kReplacement &&
        text.substr(position, length) != kReplacementBytes) {
      return position;
    }
    position += length;
  }
  return position;
}

}  // namespace

std::string_view well_formed(std::string_view text, std::string& repaired) {
  size_t malformed = find_malformed(text, 0);
  if (malformed == text.size()) return text;
  repaired.clear();
  size_t done = 0;
  while (malformed < text.size()) {
    repaired.append(text, done, malformed - done);
    repaired += kReplacementBytes;
    done = malformed + static_cast<size_t>(decode(text, malformed).bytes);
    malformed = find_malformed(text, done);
  }
  repaired.append(text, done);
  return repaired;
}

}  // namespace fusebert::utf8
