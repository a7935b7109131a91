// Joining tokens: the short way and the queue against the definition, unknown bytes, and how long
// long words take.
#include "tokenizer/byte_pair.h"

#include <ctime>
#include <map>
#include <random>

#include "byte_pair_spec.h"
#include "helpers.h"

namespace fusebert {
namespace {

using test::Ids;

// As the definition says: the lowest rank of all neighbours, the leftmost, again and again.
Ids join_plainly(const TokenizerSpec& spec, Ids ids) {
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> merges;
  const auto& model = std::get<BytePairSpec>(spec.model);
  for (size_t rank = 0; rank < model.merges.size(); ++rank) {
    const Merge& merge = model.merges[rank];
    merges[{merge.left, merge.right}] = {rank, merge.merged};
  }
  while (true) {
    size_t best = model.merges.size();
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = merges.find({ids[i], ids[i + 1]});
      if (found == merges.end() || found->second.first >= best) continue;
      best = found->second.first;
      at = i;
    }
    if (best == model.merges.size()) return ids;
    ids[at] = merges[{ids[at], ids[at + 1]}].second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(BytePair, JoinsAsTheDefinitionSays) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const TokenizerSpec spec = test::byte_pair_spec(random, 60);
    const auto tokenizer = test::make(spec);
    for (int k = 0; k < 20; ++k) {
      // Letters alone, which are one word; on both sides of where the queue begins.
      std::string word;
      const size_t length = 1 + random() % 80;
      for (size_t i = 0; i < length; ++i) word += static_cast<char>('a' + random() % 4);
      Ids bytes;
      for (const char byte : word) bytes.push_back(tokenizer->token_to_id({&byte, 1}));
      ASSERT_EQ(test::ids(*tokenizer, word), join_plainly(spec, bytes)) << word;
    }
  }
}

TEST(BytePair, TheLastOfEqualMergesCounts) {
  TokenizerSpec spec = test::byte_pair_spec();
  const auto id = [&](std::string_view token) { return test::id_of(spec, token); };
  spec.vocab.insert(spec.vocab.end(), {"ab", "bc"});
  const Merge ab{id("a"), id("b"), id("ab")};
  const Merge bc{id("b"), id("c"), id("bc")};
  auto& model = std::get<BytePairSpec>(spec.model);
  model.merges = {ab, bc};
  EXPECT_EQ(test::ids(*test::make(spec), "abc"), (Ids{id("ab"), id("c")}));
  model.merges = {ab, bc, ab};
  EXPECT_EQ(test::ids(*test::make(spec), "abc"), (Ids{id("a"), id("bc")}));
}

TEST(BytePair, LeavesOutOrReplacesBytesThatNoTokenHas) {
  TokenizerSpec spec = test::byte_pair_spec();
  spec.vocab[static_cast<size_t>(test::id_of(spec, "b"))] = "";
  spec.vocab.push_back("<unk>");
  const auto id = [&](std::string_view token) { return test::id_of(spec, token); };
  const auto& model = std::get<BytePairSpec>(spec.model);
  EXPECT_EQ(test::ids(*test::make(spec), "abba"), (Ids{id("a"), id("a")}));
  EXPECT_EQ(test::ids(*test::make(spec), "bb"), Ids{});
  std::get<BytePairSpec>(spec.model).unk_token = "<unk>";
  EXPECT_FALSE(model.fuse_unk);
  EXPECT_EQ(test::ids(*test::make(spec), "abba"),
            (Ids{id("a"), id("<unk>"), id("<unk>"), id("a")}));
  std::get<BytePairSpec>(spec.model).fuse_unk = true;
  EXPECT_EQ(test::ids(*test::make(spec), "abba"), (Ids{id("a"), id("<unk>"), id("a")}));
}

TEST(BytePair, RefusesContradictoryMerges) {
  const TokenizerSpec good = test::byte_pair_spec();
  const int32_t a = test::id_of(good, "a");
  const int32_t b = test::id_of(good, "b");
  const auto size = static_cast<int32_t>(good.vocab.size());
  for (const Merge& wrong : {Merge{a, b, a}, Merge{a, b, -1}, Merge{-1, b, a}, Merge{a, size, b},
                             Merge{a, b, size}, Merge{a, b, 1 << 30}}) {
    TokenizerSpec spec = good;
    std::get<BytePairSpec>(spec.model).merges = {wrong};
    const auto tokenizer = Tokenizer::create(std::move(spec));
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_EQ(tokenizer.status().code(), StatusCode::kTokenizerFormat);
  }
  TokenizerSpec spec = good;
  std::get<BytePairSpec>(spec.model).unk_token = "nowhere";
  EXPECT_FALSE(Tokenizer::create(std::move(spec)).ok());
}

double seconds_of(const Tokenizer& tokenizer, const std::string& text) {
  const std::clock_t begin = std::clock();
  EXPECT_FALSE(test::ids(tokenizer, text).empty());
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

// Were it with the square of the length, it would be hours.
TEST(BytePair, LongWordsOfOneLetterAreNoTrap) {
  constexpr size_t kLength = 1'000'000;
  constexpr double kMostSeconds = 20;  // far above what a slow machine under a sanitizer needs
  TokenizerSpec spec = test::byte_pair_spec();
  auto& model = std::get<BytePairSpec>(spec.model);
  int32_t last = test::id_of(spec, "a");
  for (size_t length = 2; length <= 1024; length *= 2) {
    spec.vocab.push_back(std::string(length, 'a'));
    const auto merged = static_cast<int32_t>(spec.vocab.size()) - 1;
    model.merges.push_back({last, last, merged});
    last = merged;
  }
  const auto tokenizer = test::make(spec);
  EXPECT_LT(seconds_of(*tokenizer, std::string(kLength, 'a')), kMostSeconds);
  EXPECT_EQ(test::ids(*tokenizer, std::string(1024 * 1024, 'a')), Ids(1024, last));
  std::string two;
  for (size_t i = 0; i < kLength / 2; ++i) two += "ab";
  EXPECT_LT(seconds_of(*tokenizer, two), kMostSeconds);
  EXPECT_LT(seconds_of(*tokenizer, std::string(kLength, ' ')), kMostSeconds);
  EXPECT_LT(seconds_of(*tokenizer, std::string(kLength, '\n') + "x"), kMostSeconds);
  EXPECT_LT(seconds_of(*tokenizer, std::string(kLength, '\xFF')), kMostSeconds);
}

TEST(MergeTable, FindsEveryPairAndNoOther) {
  std::mt19937 random(3);
  std::vector<Merge> merges;
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t i = 0; i < 20'000; ++i) {
    // Few ids, so that pairs come twice; and ids far apart.
    const int32_t scale = i % 2 == 0 ? 1 : 1 << 15;
    const Merge merge{static_cast<int32_t>(random() % 200) * scale,
                      static_cast<int32_t>(random() % 200) * scale, static_cast<int32_t>(i)};
    merges.push_back(merge);
    ranks[{merge.left, merge.right}] = i;
  }
  const MergeTable table(merges);
  for (const auto& [pair, rank] : ranks) {
    const MergeTable::Found found = table.find(pair.first, pair.second);
    ASSERT_EQ(found.rank, rank);
    ASSERT_EQ(found.merged, merges[rank].merged);
  }
  for (int i = 0; i < 10'000; ++i) {
    const auto left = static_cast<int32_t>(random() % (1 << 24));
    const auto right = static_cast<int32_t>(random() % (1 << 24));
    const bool known = ranks.contains({left, right});
    ASSERT_EQ(table.find(left, right).rank != MergeTable::kNoRank, known);
  }
  EXPECT_EQ(MergeTable().find(0, 0).rank, MergeTable::kNoRank);
}

}  // namespace
}  // namespace fusebert
