// Specifications of byte-level BPE: every byte, and merges at random.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

#include "helpers.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

namespace fusebert::test {

inline int32_t id_of(const TokenizerSpec& spec, std::string_view token) {
  const auto found = std::find(spec.vocab.begin(), spec.vocab.end(), token);
  return found == spec.vocab.end() ? -1 : static_cast<int32_t>(found - spec.vocab.begin());
}

// <s>, <pad>, </s> and the 256 bytes; RoBERTa's templates.
inline TokenizerSpec byte_pair_spec() {
  TokenizerSpec spec;
  spec.vocab = {"<s>", "<pad>", "</s>"};
  for (size_t byte = 0; byte < byte_level::kBytes; ++byte) {
    spec.vocab.push_back(byte_level::character(static_cast<unsigned char>(byte)));
  }
  spec.model = BytePairSpec{};
  add_special_tokens(spec, 3);
  using Kind = TemplatePiece::Kind;
  spec.single_template = {{Kind::kSpecialToken, 0, 0}, {Kind::kSequenceA, 0, 0},
                          {Kind::kSpecialToken, 2, 0}};
  spec.pair_template = spec.single_template;
  spec.pair_template.push_back({Kind::kSpecialToken, 2, 0});
  spec.pair_template.push_back({Kind::kSequenceB, 0, 0});
  spec.pair_template.push_back({Kind::kSpecialToken, 2, 0});
  spec.decoder.kind = DecoderSpec::Kind::kByteLevel;
  return spec;
}

// With merges of letters "a" to "d", of spaces and of what came of them, in random order.
inline TokenizerSpec byte_pair_spec(std::mt19937& random, size_t merges) {
  TokenizerSpec spec = byte_pair_spec();
  auto& model = std::get<BytePairSpec>(spec.model);
  std::vector<int32_t> parts;
  for (const std::string_view token : {"a", "b", "c", "d", "\u0120"}) {
    parts.push_back(id_of(spec, token));
  }
  for (size_t i = 0; i < merges; ++i) {
    const int32_t left = parts[random() % parts.size()];
    const int32_t right = parts[random() % parts.size()];
    const std::string token =
        spec.vocab[static_cast<size_t>(left)] + spec.vocab[static_cast<size_t>(right)];
    int32_t merged = id_of(spec, token);
    if (merged < 0) {
      merged = static_cast<int32_t>(spec.vocab.size());
      spec.vocab.push_back(token);
      parts.push_back(merged);
    }
    model.merges.push_back({left, right, merged});
  }
  std::shuffle(model.merges.begin(), model.merges.end(), random);
  return spec;
}

}  // namespace fusebert::test
