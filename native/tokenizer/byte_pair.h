// Byte-level BPE: the bytes of a word become tokens, and of neighbours those whose merge has the
// lowest rank are joined, the leftmost first, until none can be.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"

namespace fusebert {

// A word's tokens while they are joined. The memory is kept for the next word.
struct BytePairScratch {
  // What was one token, or several by now.
  struct Symbol {
    int32_t id;
    uint32_t length;  // 0: it was joined to the one before
    int32_t previous;
    int32_t next;
  };

  std::vector<Symbol> symbols;
  std::vector<uint64_t> queue;    // rank and index of the left one, of pairs that can be joined
  std::vector<uint32_t> sources;  // the word's byte of each byte of its characters
  std::string word;               // with a space before it that the text has not
  std::string text;               // without malformed UTF-8

  // Gives back what an unusually long word took.
  void trim() {
    if (symbols.capacity() + queue.capacity() + sources.capacity() + word.capacity() +
            text.capacity() > kMostKept) {
      *this = BytePairScratch();
    }
  }

 private:
  static constexpr size_t kMostKept = size_t{1} << 16;
};

class BytePair {
 private:
  // Up to this many tokens all pairs are looked at again, in a time that grows with their square.
  static constexpr size_t kFewSymbols = 32;

  struct Few {
    size_t count = 0;
    std::array<int32_t, kFewSymbols> ids;
    std::array<uint8_t, kFewSymbols> ends;  // in bytes of the word
  };

 public:
  // `sorted` are the tokens of the vocabulary, sorted; merges are of its ids.
  BytePair(const BytePairSpec& spec, const std::vector<Trie::Entry>& sorted, int32_t unk_id);

  // The token of a word of one byte, or -1.
  int32_t byte_id(char byte) const { return byte_ids_[static_cast<unsigned char>(byte)]; }

  // Cuts a word that is not empty and hands its tokens to on_token(id, begin, end), where they are
  // in its bytes. False where bytes were left out because no token has them: then tokens are where
  // the reference says, which counts on without those bytes.
  template <typename OnToken>
  bool cut(std::string_view word, BytePairScratch& scratch, OnToken&& on_token) const {
    if (const int32_t whole = words_.find(word); whole >= 0) {
      on_token(whole, size_t{0}, word.size());
      return true;
    }
    if (word.size() <= kFewSymbols) {
      Few few;
      if (start_few(word, few)) {
        join_few(word, few);
        size_t begin = 0;
        for (size_t i = 0; i < few.count; ++i) {
          on_token(few.ids[i], begin, size_t{few.ends[i]});
          begin = few.ends[i];
        }
        return true;
      }
    }
    const bool complete = start(word, scratch);
    join(scratch);
    size_t begin = 0;
    for (const BytePairScratch::Symbol& symbol : scratch.symbols) {
      if (symbol.length == 0) continue;
      const size_t end = begin + symbol.length;
      if (complete) {
        on_token(symbol.id, begin, end);
      } else {
        on_token(symbol.id, size_t{scratch.sources[begin]}, scratch.sources[end - 1] + size_t{1});
      }
      begin = end;
    }
    return complete;
  }

 private:
  // Makes the word's bytes symbols. False as above: lengths are in bytes of their characters then.
  bool start(std::string_view word, BytePairScratch& scratch) const;
  void start_incomplete(std::string_view word, BytePairScratch& scratch) const;
  void join(BytePairScratch& scratch) const;

  // Makes the bytes of a short word tokens; false when some of them have none.
  bool start_few(std::string_view word, Few& few) const;
  void join_few(std::string_view word, Few& few) const;

  static size_t byte_pair(char left, char right) {
    return static_cast<size_t>(static_cast<unsigned char>(left)) * byte_level::kBytes +
           static_cast<unsigned char>(right);
  }

  std::array<int32_t, byte_level::kBytes> byte_ids_;  // -1: no token has the byte
  MergeTable merges_;
  // Merges of the tokens of two single bytes, by byte_pair().
  std::vector<MergeTable::Found> byte_merges_;
  int32_t unk_id_;  // -1: unknown bytes are left out
  bool fuse_unk_;
  Trie words_;  // with ignore_merges: tokens by the bytes that they stand for
};

}  // namespace fusebert
