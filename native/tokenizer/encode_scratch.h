// What encoding works with, kept from text to text. For one thread at a time and one tokenizer.
#pragma once

#include "tokenizer/byte_pair.h"
#include "tokenizer/token_buffer.h"
#include "tokenizer/word.h"
#include "tokenizer/word_cache.h"

namespace fusebert {

struct EncodeScratch {
  explicit EncodeScratch(int cache_bits) : words(cache_bits) {}

  WordCache words;
  Word word;               // WordPiece
  BytePairScratch pairs;   // byte-level BPE
  TokenBuffer first;       // tokens of a text
  TokenBuffer second;      // and of its pair

  // Gives back what an unusually long text took.
  void trim() {
    word.trim();
    pairs.trim();
    first.trim();
    second.trim();
  }
};

}  // namespace fusebert
