// The trie, and cutting words.
#include "tokenizer/wordpiece.h"

#include "helpers.h"

namespace fusebert {
namespace {

using test::Ids;

TEST(Trie, FindsExactKeysAndLongestPrefixes) {
  const Trie trie({{"a", 1}, {"ab", 2}, {"abcd", 3}, {"b", 4}, {"\xC3\xA9", 5}});
  EXPECT_EQ(trie.find("ab"), 2);
  EXPECT_EQ(trie.find("abc"), -1);
  EXPECT_EQ(trie.find("abcde"), -1);
  EXPECT_EQ(trie.find(""), -1);
  EXPECT_EQ(trie.longest_prefix("abcx").id, 2);
  EXPECT_EQ(trie.longest_prefix("abcx").length, 2u);
  EXPECT_EQ(trie.longest_prefix("abcdx").id, 3);
  EXPECT_EQ(trie.longest_prefix("\xC3").id, -1);
  EXPECT_EQ(trie.longest_prefix("x").id, -1);
  EXPECT_TRUE(trie.starts('b'));
  EXPECT_FALSE(trie.starts('c'));
}

TEST(Trie, EmptyFindsNothing) {
  EXPECT_EQ(Trie().find("a"), -1);
  EXPECT_EQ(Trie(std::vector<Trie::Entry>{}).longest_prefix("a").id, -1);
}

TEST(WordPiece, CutsGreedily) {
  const auto tokenizer = test::make(test::small_spec());
  EXPECT_EQ(test::ids(*tokenizer, "abab"), (Ids{8, 9}));
  EXPECT_EQ(test::ids(*tokenizer, "aab"), (Ids{4, 9}));
  EXPECT_EQ(test::ids(*tokenizer, "hello world!"), (Ids{10, 11, 12}));
  EXPECT_EQ(test::ids(*tokenizer, "helloz"), (Ids{1}));
  EXPECT_EQ(test::ids(*tokenizer, "Café"), (Ids{13}));
}

TEST(WordPiece, LimitCountsCharactersNotBytes) {
  TokenizerSpec spec = test::small_spec();
  test::wordpiece(spec).strip_accents = false;
  const auto tokenizer = test::make(std::move(spec));
  std::string word;
  for (int i = 0; i < 100; ++i) word += "é";
  EXPECT_EQ(test::ids(*tokenizer, word).size(), 100u);
  EXPECT_EQ(test::ids(*tokenizer, word + "é"), (Ids{1}));
}

}  // namespace
}  // namespace fusebert
