// Joining tokens, and the spaces that clean-up takes away.
#include "tokenizer/decoder.h"

#include "helpers.h"

namespace fusebert {
namespace {

std::string decode(const DecoderSpec& spec, const std::vector<std::string>& tokens) {
  std::string text;
  Decoder decoder(spec, text);
  for (const std::string& token : tokens) decoder.push(token);
  return text;
}

TEST(Decoder, JoinsWhatContinuesAWord) {
  DecoderSpec spec;
  EXPECT_EQ(decode(spec, {"un", "##aff", "!"}), "un ##aff !");
  spec.kind = DecoderSpec::Kind::kWordPiece;
  EXPECT_EQ(decode(spec, {"un", "##aff", "!"}), "unaff !");
  EXPECT_EQ(decode(spec, {"##un", "##aff"}), "##unaff");
  spec.cleanup = true;
  EXPECT_EQ(decode(spec, {"un", "##aff", "!"}), "unaff!");
  EXPECT_EQ(decode(spec, {}), "");
}

TEST(Decoder, CleansUpFromLeftToRight) {
  std::string text = "i 'm sure , they 've left . . it is n't ' so ' ?";
  clean_up_tokenization(text);
  EXPECT_EQ(text, "i'm sure, they've left.. it isn't'so '?");
  std::string kept = "do not";
  clean_up_tokenization(kept);
  EXPECT_EQ(kept, "do not");
}

TEST(Decoder, LeavesOutWhatNoTokenHasAndSpecialOnes) {
  TokenizerSpec spec = test::small_spec();
  spec.decoder.kind = DecoderSpec::Kind::kWordPiece;
  const auto tokenizer = test::make(std::move(spec));
  const test::Ids ids = {2, 4, 9, -1, 1 << 30, 3, 12};
  EXPECT_EQ(tokenizer->decode(ids, {}), "[CLS] aab [SEP] !");
  EXPECT_EQ(tokenizer->decode(ids, {true, false}), "aab !");
  EXPECT_EQ(tokenizer->decode(ids, {true, true}), "aab!");
}

}  // namespace
}  // namespace fusebert
