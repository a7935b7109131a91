// WordPiece: a word is cut greedily into the longest tokens of the vocabulary; a word that cannot
// be cut, or is too long, is one unknown token.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/simd/block.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocabulary.h"

namespace fusebert {

class WordPiece {
 public:
  WordPiece() = default;
  // `vocab` sorted by token, distinct. Tokens that begin with `continuing_subword_prefix` also
  // continue words, without it.
  WordPiece(const std::vector<Trie::Entry>& vocab, std::string_view continuing_subword_prefix,
            int32_t unk_id);

  // Cuts a word that is not empty and hands its tokens to on_token(id, begin, end), where they are
  // in its bytes. False when it cannot be cut, after some tokens or none.
  template <typename OnToken>
  bool cut(std::string_view word, OnToken&& on_token) const {
    for (size_t start = 0; start < word.size();) {
      const Trie& trie = start == 0 ? initial_ : continuing_;
      const Trie::Match match = trie.longest_prefix(word.substr(start));
      if (match.id < 0) return false;
      on_token(match.id, start, start + match.length);
      start += match.length;
    }
    return true;
  }

  // The same for a word of at most kBlockBytes bytes without a zero.
  template <typename OnToken>
  bool cut_short(const simd::WordKey& word, size_t size, OnToken&& on_token) const {
    char bytes[2 * simd::kBlockBytes] = {};
    simd::key_bytes(word, bytes);
    for (size_t start = 0; start < size;) {
      const TokenTable& table = start == 0 ? short_initial_ : short_continuing_;
      const Trie::Match match = table.longest_prefix(simd::Block(bytes + start), size - start);
      if (match.id < 0) return false;
      on_token(match.id, start, start + match.length);
      start += match.length;
    }
    return true;
  }

  int32_t unk_id() const { return unk_id_; }
  int32_t token_to_id(std::string_view token) const { return initial_.find(token); }

 private:
  Trie initial_;     // whole tokens
  Trie continuing_;  // what follows the prefix
  TokenTable short_initial_;     // of initial_
  TokenTable short_continuing_;  // of continuing_
  int32_t unk_id_ = 0;
};

}  // namespace fusebert
