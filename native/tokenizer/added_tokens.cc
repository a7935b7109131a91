// Search for added tokens, and their single_word, lstrip and rstrip.
#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace fusebert {

namespace {

bool is_word(char32_t c) { return unicode::info(c).flags & unicode::kWordCharacter; }
bool is_whitespace(char32_t c) { return unicode::info(c).flags & unicode::kWhitespace; }

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word(utf8::decode_before(text, begin).code_point)) ||
         (end < text.size() && is_word(utf8::decode(text, end).code_point));
}

// Where the white space that ends at `end` begins, not before `limit`.
size_t skip_space_back(std::string_view text, size_t end, size_t limit) {
  while (end > limit) {
    const utf8::Decoded before = utf8::decode_before(text, end);
    if (!is_whitespace(before.code_point)) break;
    end -= static_cast<size_t>(before.bytes);
  }
  return std::max(end, limit);
}

size_t skip_space(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const utf8::Decoded next = utf8::decode(text, begin);
    if (!is_whitespace(next.code_point)) break;
    begin += static_cast<size_t>(next.bytes);
  }
  return begin;
}

}  // namespace

Result<AddedTokenFinder> AddedTokenFinder::create(std::vector<AddedToken> tokens,
                                                  const std::vector<std::string>& patterns) {
  std::vector<Trie::Entry> entries;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (patterns[i].empty()) {
      return Status(StatusCode::kTokenizerFormat,
                    "Expected added tokens that normalization leaves something of, but nothing "
                    "is left of the one with id " + std::to_string(tokens[i].id) + ".");
    }
    entries.push_back({patterns[i], static_cast<int32_t>(i)});
  }
  const auto before = [](const Trie::Entry& a, const Trie::Entry& b) { return a.key < b.key; };
  std::sort(entries.begin(), entries.end(), before);
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].key != entries[i - 1].key) continue;
    const auto id = [&](size_t k) {
      return std::to_string(tokens[static_cast<size_t>(entries[k].id)].id);
    };
    return Status(StatusCode::kTokenizerFormat,
                  "Expected distinct added tokens but those with ids " + id(i - 1) + " and " +
                      id(i) + " are the same text.");
  }
  AddedTokenFinder finder;
  finder.trie_ = Trie(entries);
  finder.tokens_ = std::move(tokens);
  if (!entries.empty() && entries.front().key[0] == entries.back().key[0]) {
    finder.first_byte_ = static_cast<unsigned char>(entries.front().key[0]);
  }
  return finder;
}

size_t AddedTokenFinder::next_candidate(std::string_view text, size_t from) const {
  if (first_byte_ >= 0) {
    return std::min(text.find(static_cast<char>(first_byte_), from), text.size());
  }
  while (from < text.size() && !trie_.starts(static_cast<unsigned char>(text[from]))) ++from;
  return from;
}

AddedTokenFinder::Part AddedTokenFinder::next(std::string_view text, size_t from, size_t done,
                                              Scan& scan) const {
  for (size_t i = next_candidate(text, from); i < text.size(); i = next_candidate(text, i + 1)) {
    const Trie::Match match = trie_.longest_prefix(text.substr(i));
    if (match.id < 0) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(match.id)];
    size_t begin = i;
    size_t end = i + match.length;
    const size_t resume = end;
    if (token.single_word && touches_word(text, begin, end)) {
      i = resume - 1;  // a match that is refused still uses up its text
      continue;
    }
    // The token before may have taken this white space already.
    if (token.lstrip) begin = skip_space_back(text, begin, done);
    if (token.rstrip) {
      if (end < scan.space_begin || end >= scan.space_end) {
        scan = {end, skip_space(text, end)};
      }
      end = scan.space_end;
    }
    return {&token, begin, end, resume};
  }
  return {nullptr, 0, 0, 0};
}

}  // namespace fusebert
