// Asks the normaliser about every character alone.
#include "tokenizer/character_table.h"

#include <string_view>

#include "tokenizer/utf8.h"

namespace fusebert {

namespace {

// A character becomes one, or with spaces around it three.
constexpr size_t kMaxResults = 3;

struct Results {
  char32_t characters[kMaxResults];
  size_t count = 0;  // kMaxResults + 1: more than fit
};

Results normalize(const Normalizer& normalizer, char32_t c) {
  char encoded[utf8::kMaxBytes];
  const auto length = static_cast<size_t>(utf8::encode(c, encoded));
  Results results;
  Cursor cursor;
  normalizer.run({encoded, length}, cursor, [&](char32_t result, Span) {
    if (results.count < kMaxResults) results.characters[results.count] = result;
    return ++results.count <= kMaxResults;
  });
  return results;
}

bool is_space(char32_t c) { return unicode::info(c).flags & unicode::kWhitespace; }

// Marks that come out of a decomposition and disappear are no matter: they carry no span of their
// own, and the order of those that stay is the same without them.
CharacterKind kind_of(const Normalizer& normalizer, char32_t c, const Results& results) {
  const bool orders = normalizer.orders_marks();
  const unicode::CodePointInfo& own = unicode::info(c);
  if (results.count == 0) {
    const bool mark = orders && !(own.flags & unicode::kRemoved) &&
                      (own.combining_class != 0 || own.decomposition != 0);
    return mark ? CharacterKind::kMark : CharacterKind::kNothing;
  }
  if (orders && own.combining_class != 0) return CharacterKind::kOther;
  const char32_t first = results.characters[0];
  if (results.count == 1) {
    const unicode::CodePointInfo& properties = unicode::info(first);
    if (orders && properties.combining_class != 0) return CharacterKind::kOther;
    if (properties.flags & unicode::kWhitespace) return CharacterKind::kSpace;
    return properties.flags & unicode::kPunctuation ? CharacterKind::kAlone
                                                    : CharacterKind::kContinues;
  }
  const bool spaced = results.count == kMaxResults && is_space(first) &&
                      is_space(results.characters[2]) && !is_space(results.characters[1]);
  return spaced ? CharacterKind::kAlone : CharacterKind::kOther;
}

}  // namespace

CharacterTable::CharacterTable(const Normalizer& normalizer) : entries_(kCharacters, 0) {
  for (char32_t c = 0; c < kCharacters; ++c) {
    if (c >= unicode::kSurrogates && c < unicode::kSurrogatesEnd) continue;
    const Results results = normalize(normalizer, c);
    const CharacterKind kind = kind_of(normalizer, c, results);
    const bool becomes = kind == CharacterKind::kContinues || kind == CharacterKind::kAlone;
    uint32_t entry = static_cast<uint32_t>(kind) << kKindShift;
    if (becomes) {
      const char32_t result = results.characters[results.count == 1 ? 0 : 1];
      if (result >= kCharacters) continue;
      char encoded[utf8::kMaxBytes] = {};
      const int length = utf8::encode(result, encoded);
      for (int i = 0; i < length; ++i) {
        entry |= static_cast<uint32_t>(static_cast<unsigned char>(encoded[i])) << (8 * i);
      }
      entry |= static_cast<uint32_t>(length) << kLengthShift;
    }
    entries_[c] = entry;
  }
}

}  // namespace fusebert
