// Blocks of sixteen bytes against the portable ones, on seeded random bytes of every kind.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/simd/block.h"
#include "tokenizer/simd/find_byte.h"

namespace fusebert::simd {
namespace {

// Bytes at the edges of the ranges, where mistakes are.
constexpr unsigned char kEdges[] = {0,   ' ', '/', '0', '9', ':', '@',  'A',  'Z',  '[',
                                    '`', 'a', 'z', '{', 127, 128, 0xBF, 0xE1, 0xFA, 0xFF};

TEST(TokenizerBlock, EveryByteIsWhatThePortableOneSays) {
  for (size_t place = 0; place < kBlockBytes; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text(kBlockBytes, 'a');
      text[place] = static_cast<char>(byte);
      ASSERT_EQ(Block(text.data()).alphanumeric_run(),
                PortableBlock(text.data()).alphanumeric_run());
      ASSERT_EQ(Block(text.data()).word_run(), PortableBlock(text.data()).word_run());
      for (const uint32_t from : {0u, 1u}) {
        ASSERT_EQ(Block(text.data()).letter_run(from), PortableBlock(text.data()).letter_run(from));
      }
    }
  }
}

TEST(TokenizerBlock, RandomBlocksAreAlike) {
  std::mt19937 random(1);
  for (int round = 0; round < 100'000; ++round) {
    char text[kBlockBytes];
    for (char& byte : text) {
      const bool letter = random() % 8 != 0;
      byte = static_cast<char>(letter ? 'A' + random() % 58 : kEdges[random() % sizeof(kEdges)]);
    }
    const Block block(text);
    const PortableBlock portable(text);
    ASSERT_EQ(block.alphanumeric_run(), portable.alphanumeric_run());
    ASSERT_EQ(block.word_run(), portable.word_run());
    ASSERT_EQ(block.letter_run(0), portable.letter_run(0));
    ASSERT_EQ(block.letter_run(1), portable.letter_run(1));
    for (const unsigned char fold : {0, 0x20}) {
      for (uint32_t length = 0; length <= kBlockBytes; ++length) {
        ASSERT_TRUE(block.key(length, fold).equals(portable.key(length, fold)));
      }
    }
  }
}

TEST(TokenizerBlock, LettersMayFollowASpace) {
  EXPECT_EQ(Block(" Word9 and more.").letter_run(1), 4u);
  EXPECT_EQ(Block(" Word9 and more.").letter_run(0), 0u);
  EXPECT_EQ(Block("ABCDEFGHIJKLMNOP").letter_run(0), 16u);
  EXPECT_EQ(Block("ABCDEFGHIJKLMNOP").letter_run(1), 15u);
}

TEST(TokenizerBlock, AKeyIsTheWordInLowerCase) {
  const std::string text = "Word9 and more..";
  char bytes[kBlockBytes];
  key_bytes(Block(text.data()).key(5, 0x20), bytes);
  EXPECT_EQ(std::string(bytes, 6), std::string("word9\0", 6));
  EXPECT_TRUE(make_key("word9", 5).equals(Block(text.data()).key(5, 0x20)));
  EXPECT_FALSE(make_key("word", 4).equals(make_key("word9", 5)));
}

TEST(TokenizerBlock, AKeyKnowsItsZeros) {
  for (size_t zero = 0; zero < kBlockBytes; ++zero) {
    for (const char other : {'\x01', 'a', '\x80', '\xFF'}) {
      std::string text(kBlockBytes, other);
      text[zero] = 0;
      for (size_t length = 0; length <= kBlockBytes; ++length) {
        ASSERT_EQ(has_zero(make_key(text.data(), length), length), zero < length);
      }
    }
  }
}

TEST(TokenizerFindByte, IsTheFirstOfAny) {
  std::mt19937 random(2);
  for (uint32_t count = 0; count < 70; ++count) {
    for (int round = 0; round < 200; ++round) {
      std::vector<unsigned char> bytes(count + kBlockBytes);
      for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random() % 64);
      const auto wanted = static_cast<unsigned char>(random() % 64);
      const auto end = bytes.begin() + count;
      const auto expected = static_cast<uint32_t>(std::find(bytes.begin(), end, wanted) -
                                                  bytes.begin());
      ASSERT_EQ(std::min(find_byte(bytes.data(), count, wanted), count), expected);
    }
  }
}

std::vector<uint32_t> listed(ByteSet places) {
  std::vector<uint32_t> all;
  for (; !places.empty(); places.remove_first()) all.push_back(places.first());
  return all;
}

TEST(TokenizerEqualBytes, AreThePlacesThatThePortableOneSays) {
  std::mt19937 random(3);
  for (int round = 0; round < 10'000; ++round) {
    std::vector<unsigned char> bytes(kBlockBytes);
    // Neighbours of the byte too: they differ in one bit, and a borrow would run on to them.
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(0x7E + random() % 4);
    for (const unsigned char wanted : {0x7E, 0x7F, 0x80, 0x81, 0}) {
      std::vector<uint32_t> expected;
      for (uint32_t i = 0; i < kBlockBytes; ++i) {
        if (bytes[i] == wanted) expected.push_back(i);
      }
      ASSERT_EQ(listed(equal_bytes(bytes.data(), wanted)), expected);
      ASSERT_EQ(listed(equal_bytes_portable(bytes.data(), wanted)), expected);
    }
  }
}

TEST(TokenizerEqualBytes, ThoseBeforeTheFirstOfOthers) {
  const auto places = [](const char* bytes, char byte) {
    return equal_bytes(reinterpret_cast<const unsigned char*>(bytes),
                       static_cast<unsigned char>(byte));
  };
  const char* const bytes = "xx.x..ox..oo.xox";
  const std::vector<uint32_t> expected{0, 1, 3};
  EXPECT_EQ(listed(places(bytes, 'x').before(places(bytes, 'o'))), expected);
  EXPECT_EQ(listed(places(bytes, 'o').before(places(bytes, 'x'))), std::vector<uint32_t>());
  EXPECT_EQ(listed(places(bytes, 'x').before(places(bytes, '-'))), listed(places(bytes, 'x')));
  EXPECT_EQ(listed(places(bytes, '-').before(places(bytes, 'x'))), std::vector<uint32_t>());
}

}  // namespace
}  // namespace fusebert::simd
