// Added tokens (AddedVocabulary of `tokenizers`): found in a text before it is cut into words, and
// kept whole. At each place the longest wins; matches do not overlap.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace fusebert {

class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  // `patterns[i]` is what is searched for in place of tokens[i]. Fails when two are equal or one
  // is empty.
  static Result<AddedTokenFinder> create(std::vector<AddedToken> tokens,
                                         const std::vector<std::string>& patterns);

  bool empty() const { return tokens_.empty(); }

  // Cuts `text` and hands each part to on_part(const AddedToken*, begin, end): the token or null
  // for text between, and its byte range. Parts come in the order of their tokens; white space
  // that one token strips to its right may be part of the next again. Returns false when on_part
  // did.
  template <typename OnPart>
  bool split(std::string_view text, OnPart&& on_part) const {
    size_t done = 0;
    if (!tokens_.empty()) {
      Scan scan;
      for (size_t i = 0; i < text.size();) {
        const Part part = next(text, i, done, scan);
        if (part.token == nullptr) break;
        i = part.resume;
        if (done < part.begin && !on_part(nullptr, done, part.begin)) return false;
        if (part.begin < part.end && !on_part(part.token, part.begin, part.end)) return false;
        done = part.end;
      }
    }
    return done >= text.size() || on_part(nullptr, done, text.size());
  }

 private:
  struct Part {
    const AddedToken* token;  // null: no more
    size_t begin;
    size_t end;
    size_t resume;  // where the search goes on
  };

  // The run of white space seen last, so that a text of white space is not read again and again.
  struct Scan {
    size_t space_begin = 0;
    size_t space_end = 0;
  };

  // Where a token may begin, at or after `from`.
  size_t next_candidate(std::string_view text, size_t from) const;

  // The first match at or after `from`; `done` is where the part before it ended.
  Part next(std::string_view text, size_t from, size_t done, Scan& scan) const;

  std::vector<AddedToken> tokens_;
  Trie trie_;  // its ids are indices into tokens_
  // The byte that every token begins with, or -1: usually it is "[".
  int first_byte_ = -1;
};

}  // namespace fusebert
