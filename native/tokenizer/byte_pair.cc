// Joining the tokens of a word: by looking at all pairs again where they are few, by a queue where
// they are many.
#include "tokenizer/byte_pair.h"

#include <algorithm>
#include <functional>

namespace fusebert {

namespace {

using Symbol = BytePairScratch::Symbol;

// Up to this many the pairs are looked at one by one, in a time that grows with their square.
constexpr size_t kFewSymbols = 32;

uint64_t queue_entry(uint32_t rank, size_t index) {
  return (static_cast<uint64_t>(rank) << 32) | index;
}

Trie make_words(const std::vector<Trie::Entry>& sorted) {
  std::vector<std::pair<std::string, int32_t>> words;
  for (const Trie::Entry& entry : sorted) {
    if (auto bytes = byte_level::to_bytes(entry.key)) {
      words.emplace_back(std::move(*bytes), entry.id);
    }
  }
  std::sort(words.begin(), words.end());
  std::vector<Trie::Entry> entries;
  for (const auto& [bytes, id] : words) entries.push_back({bytes, id});
  return Trie(entries);
}

}  // namespace

BytePair::BytePair(const BytePairSpec& spec, const std::vector<Trie::Entry>& sorted,
                   int32_t unk_id)
    : merges_(spec.merges), unk_id_(unk_id), fuse_unk_(spec.fuse_unk) {
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = find_entry(sorted, byte_level::character(static_cast<unsigned char>(byte)));
  }
  if (spec.ignore_merges) words_ = make_words(sorted);
}

bool BytePair::start(std::string_view word, BytePairScratch& scratch) const {
  scratch.symbols.clear();
  bool unknown_before = false;
  for (const char character : word) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(character)];
    const bool unknown = id < 0;
    if (unknown && unk_id_ < 0) {
      start_incomplete(word, scratch);
      return false;
    }
    if (unknown && unknown_before && fuse_unk_) {
      ++scratch.symbols.back().length;
    } else {
      scratch.symbols.push_back({unknown ? unk_id_ : id, 1, 0, 0});
    }
    unknown_before = unknown;
  }
  return true;
}

void BytePair::start_incomplete(std::string_view word, BytePairScratch& scratch) const {
  scratch.symbols.clear();
  scratch.sources.clear();
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    const uint32_t length = byte_level::character_bytes(byte);
    scratch.sources.insert(scratch.sources.end(), length, static_cast<uint32_t>(i));
    if (byte_ids_[byte] >= 0) scratch.symbols.push_back({byte_ids_[byte], length, 0, 0});
  }
}

void BytePair::join(BytePairScratch& scratch) const {
  if (scratch.symbols.size() <= kFewSymbols) {
    join_few(scratch.symbols);
  } else {
    join_many(scratch);
  }
}

void BytePair::join_few(std::vector<Symbol>& symbols) const {
  if (symbols.size() < 2) return;
  std::array<MergeTable::Found, kFewSymbols> pairs;  // of each symbol and the next
  const auto look_up = [&](size_t i) {
    pairs[i] = merges_.find(symbols[i].id, symbols[i + 1].id);
  };
  size_t last = symbols.size() - 1;  // symbol, which has no pair
  for (size_t i = 0; i < last; ++i) look_up(i);
  while (last > 0) {
    size_t best = 0;
    for (size_t i = 1; i < last; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    symbols[best].id = pairs[best].merged;
    symbols[best].length += symbols[best + 1].length;
    for (size_t i = best + 1; i < last; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --last;
    if (best > 0) look_up(best - 1);
    if (best < last) look_up(best);
  }
  symbols.resize(last + 1);
}

// A pair's entry is out of date when its left symbol is gone or has another pair's rank by now.
void BytePair::join_many(BytePairScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<uint64_t>& queue = scratch.queue;
  const auto rank_after = [&](size_t left) {
    const int32_t right = symbols[left].next;
    return right < 0 ? MergeTable::Found{}
                     : merges_.find(symbols[left].id, symbols[static_cast<size_t>(right)].id);
  };
  queue.clear();
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : -1;
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    const uint32_t rank = rank_after(i).rank;
    if (rank != MergeTable::kNoRank) queue.push_back(queue_entry(rank, i));
  }
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  const auto offer = [&](size_t left) {
    const uint32_t rank = rank_after(left).rank;
    if (rank == MergeTable::kNoRank) return;
    queue.push_back(queue_entry(rank, left));
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const uint64_t entry = queue.back();
    queue.pop_back();
    const auto index = static_cast<size_t>(entry & 0xFFFFFFFFu);
    Symbol& left = symbols[index];
    if (left.length == 0) continue;
    const MergeTable::Found found = rank_after(index);
    if (found.rank != entry >> 32) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = found.merged;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) {
      symbols[static_cast<size_t>(left.next)].previous = static_cast<int32_t>(index);
    }
    if (left.previous >= 0) offer(static_cast<size_t>(left.previous));
    offer(index);
  }
}

}  // namespace fusebert
