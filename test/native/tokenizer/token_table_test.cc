// The table of short tokens against a search through all of them.
#include "tokenizer/token_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace fusebert {
namespace {

using simd::kBlockBytes;

// The longest token that `word` begins with, of those that a table takes.
Trie::Match search(const std::vector<Trie::Entry>& entries, const std::string& word) {
  Trie::Match longest;
  for (const auto& [token, id] : entries) {
    const bool taken = !token.empty() && token.size() <= kBlockBytes &&
                       token.find('\0') == std::string_view::npos;
    if (taken && word.starts_with(token) && token.size() > longest.length) {
      longest = {id, token.size()};
    }
  }
  return longest;
}

Trie::Match find(const TokenTable& table, const std::string& word) {
  char bytes[kBlockBytes] = {};
  word.copy(bytes, sizeof(bytes));
  return table.longest_prefix(simd::Block(bytes), word.size());
}

// Letters as few as that tokens begin with one another.
std::string random_word(std::mt19937& random, size_t longest) {
  std::string word(std::uniform_int_distribution<size_t>(1, longest)(random), 'a');
  for (char& letter : word) letter = static_cast<char>('a' + random() % 3);
  return word;
}

TEST(TokenTable, FindsTheLongestTokenThatAWordBeginsWith) {
  std::mt19937 random(5);
  for (const size_t count : {0u, 1u, 10u, 500u, 5000u}) {
    std::set<std::string> tokens{{"\0b", 2}, std::string("ab\0c", 4), std::string(17, 'a')};
    while (tokens.size() < count) tokens.insert(random_word(random, kBlockBytes + 2));
    std::vector<Trie::Entry> entries;
    for (const std::string& token : tokens) {
      entries.push_back({token, static_cast<int32_t>(entries.size())});
    }
    const TokenTable table(entries);
    for (int i = 0; i < 2000; ++i) {
      const std::string word = random_word(random, kBlockBytes);
      const Trie::Match expected = search(entries, word);
      const Trie::Match found = find(table, word);
      ASSERT_EQ(found.id, expected.id) << word;
      ASSERT_EQ(found.length, expected.length) << word;
    }
    for (const auto& [token, id] : entries) {
      if (token.size() > kBlockBytes || token.find('\0') != std::string_view::npos) continue;
      ASSERT_EQ(table.find(simd::make_key(token.data(), token.size())), id);
    }
  }
}

// Slots from the last place on, as full as a table may be, in a block's size and others.
TEST(TokenTable, SearchesEndBehindTheLastPlace) {
  constexpr size_t kPlaces = 32;
  constexpr uint8_t kMark = 0x81;
  constexpr uint8_t kOther = 0x83;
  for (size_t run = 0; run <= kMaxDistance; ++run) {
    std::vector<uint8_t> marks(slots_for(kPlaces), kEmptyMark);
    for (size_t i = 0; i < run; ++i) marks[kPlaces - 1 + i] = i % 3 == 0 ? kMark : kOther;
    // Behind an empty slot nothing is found.
    if (run + 1 < kMaxDistance) marks[kPlaces + run] = kMark;
    std::vector<size_t> asked;
    const auto ask = [&](size_t wanted) {
      asked.clear();
      return find_slot(marks.data(), kPlaces - 1, kMark, [&](size_t slot) {
        asked.push_back(slot - (kPlaces - 1));
        return slot == wanted;
      });
    };
    EXPECT_EQ(ask(kNoSlot), kNoSlot);
    std::vector<size_t> expected;
    for (size_t i = 0; i < run; i += 3) expected.push_back(i);
    EXPECT_EQ(asked, expected);
    if (run > 0) {
      EXPECT_EQ(ask(kPlaces - 1 + expected.back()), kPlaces - 1 + expected.back());
    }
  }
}

// Tokens that differ in their last bytes only, where many a product has few different high bits.
TEST(TokenTable, TakesTokensThatAreMadeToCrowd) {
  std::set<std::string> tokens;
  for (int i = 1; i < 256; ++i) {
    for (int k = 1; k < 256; ++k) {
      tokens.insert(std::string("aaaaaaa") + static_cast<char>(i) + "bbbbbbb" +
                    static_cast<char>(k));
    }
  }
  std::vector<Trie::Entry> entries;
  for (const std::string& token : tokens) {
    entries.push_back({token, static_cast<int32_t>(entries.size())});
  }
  const TokenTable table(entries);
  for (const auto& [token, id] : entries) {
    ASSERT_EQ(table.find(simd::make_key(token.data(), token.size())), id);
  }
}

}  // namespace
}  // namespace fusebert
