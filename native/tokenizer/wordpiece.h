// WordPiece: a word is cut greedily into the longest tokens of the vocabulary; a word that cannot
// be cut, or is too long, is one unknown token.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace fusebert {

struct Token {
  int32_t id;
  Span span;  // in the original text
};

class WordPiece {
 public:
  WordPiece() = default;
  // `vocab` sorted by token, distinct. Tokens that begin with `continuing_subword_prefix` also
  // continue words, without it.
  WordPiece(const std::vector<Trie::Entry>& vocab, std::string_view continuing_subword_prefix,
            int32_t unk_id);

  void tokenize(const Word& word, std::vector<Token>& tokens) const;
  int32_t token_to_id(std::string_view token) const { return initial_.find(token); }

 private:
  Trie initial_;     // whole tokens
  Trie continuing_;  // what follows the prefix
  int32_t unk_id_ = 0;
};

}  // namespace fusebert
