// Joining the tokens of a word: of a short one by looking at all pairs again, else by a queue.
#include "tokenizer/byte_pair.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace fusebert {

namespace {

using Symbol = BytePairScratch::Symbol;

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
  byte_merges_.resize(byte_level::kBytes * byte_level::kBytes);
  for (size_t pair = 0; pair < byte_merges_.size(); ++pair) {
    const int32_t left = byte_ids_[pair / byte_level::kBytes];
    const int32_t right = byte_ids_[pair % byte_level::kBytes];
    if (left >= 0 && right >= 0) byte_merges_[pair] = merges_.find(left, right);
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

bool BytePair::start_few(std::string_view word, Few& few) const {
  int32_t all = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(word[i])];
    all |= id;
    few.ids[i] = id;
    few.ends[i] = static_cast<uint8_t>(i + 1);
  }
  few.count = word.size();
  return all >= 0;
}

// Tokens stay where their first byte is. A pair has the place of its left token; its order is its
// rank and then its place, in one number, so that the least one tells both.
void BytePair::join_few(std::string_view word, Few& few) const {
  constexpr int kPlaceBits = 5;
  constexpr int32_t kNever = std::numeric_limits<int32_t>::max();
  static_assert(kFewSymbols <= 1u << kPlaceBits);
  static_assert((MergeTable::kMaxMerges << kPlaceBits) < size_t{kNever});
  const size_t count = few.count;
  if (count == 0) return;
  std::array<int32_t, kFewSymbols> order;
  std::array<int32_t, kFewSymbols> merged;
  std::array<uint8_t, kFewSymbols> previous;  // place of the token before
  const auto keep = [&](size_t left, const MergeTable::Found& found) {
    const bool joins = found.rank != MergeTable::kNoRank;
    order[left] = joins ? static_cast<int32_t>((found.rank << kPlaceBits) | left) : kNever;
    merged[left] = found.merged;
  };
  const auto look_up = [&](size_t left) {
    const size_t right = few.ends[left];
    keep(left, right < count ? merges_.find(few.ids[left], few.ids[right]) : MergeTable::Found{});
  };
  for (size_t i = 0; i + 1 < count; ++i) {
    previous[i] = static_cast<uint8_t>(i - 1);
    keep(i, byte_merges_[byte_pair(word[i], word[i + 1])]);
  }
  previous[count - 1] = static_cast<uint8_t>(count - 2);
  order[count - 1] = kNever;
  while (true) {
    int32_t least = kNever;
    for (size_t i = 0; i < count; ++i) least = std::min(least, order[i]);
    if (least == kNever) break;
    const size_t left = static_cast<uint32_t>(least) & ((1u << kPlaceBits) - 1);
    const size_t right = few.ends[left];
    few.ids[left] = merged[left];
    few.ends[left] = few.ends[right];
    order[right] = kNever;
    if (few.ends[left] < count) previous[few.ends[left]] = static_cast<uint8_t>(left);
    if (left > 0) look_up(previous[left]);
    look_up(left);
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; i = few.ends[kept++]) {
    few.ids[kept] = few.ids[i];
    few.ends[kept] = few.ends[i];
  }
  few.count = kept;
}

// A pair's entry is out of date when its left symbol is gone or has another pair's rank by now.
void BytePair::join(BytePairScratch& scratch) const {
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
