// A small specification, and encodings in a form that tests can compare.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace fusebert::test {

using Ids = LargeVector<int32_t>;

inline WordPieceSpec& wordpiece(TokenizerSpec& spec) {
  return std::get<WordPieceSpec>(spec.model);
}

// The first `count` tokens of the vocabulary.
inline void add_special_tokens(TokenizerSpec& spec, int32_t count) {
  for (int32_t id = 0; id < count; ++id) {
    AddedToken token;
    token.content = spec.vocab[static_cast<size_t>(id)];
    token.id = id;
    token.special = true;
    spec.added_tokens.push_back(token);
  }
}

inline TokenizerSpec small_spec() {
  TokenizerSpec spec;
  spec.vocab = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a",   "b",   "##a", "##b", "ab",
                "##ab",  "hello", "world", "!",     "cafe", "caf", "é",   "##é", "中"};
  add_special_tokens(spec, 4);
  using Kind = TemplatePiece::Kind;
  spec.single_template = {{Kind::kSpecialToken, 2, 0}, {Kind::kSequenceA, 0, 0},
                          {Kind::kSpecialToken, 3, 0}};
  spec.pair_template = spec.single_template;
  spec.pair_template.push_back({Kind::kSequenceB, 0, 1});
  spec.pair_template.push_back({Kind::kSpecialToken, 3, 1});
  return spec;
}

inline std::shared_ptr<const Tokenizer> make(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::create(std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? tokenizer.value() : nullptr;
}

inline PackedEncoding encode(const Tokenizer& tokenizer, std::string_view text,
                             EncodeOptions options = {},
                             std::optional<std::string_view> pair = std::nullopt) {
  PackedEncoding encoding;
  const Status status = tokenizer.encode(text, pair, options, encoding);
  EXPECT_TRUE(status.ok()) << status.message();
  return encoding;
}

// Ids of the text alone.
inline Ids ids(const Tokenizer& tokenizer, std::string_view text) {
  EncodeOptions options;
  options.add_special_tokens = false;
  return encode(tokenizer, text, options).input_ids;
}

}  // namespace fusebert::test
