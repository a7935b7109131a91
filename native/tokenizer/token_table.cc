// Fills the table of tokens, anew with other factors where tokens crowd.
#include "tokenizer/token_table.h"

namespace fusebert {

namespace {

// A key of zeros where the token is left out.
simd::WordKey key_of(std::string_view token) {
  if (token.empty() || token.size() > simd::kBlockBytes) return {};
  const simd::WordKey key = simd::make_key(token.data(), token.size());
  return simd::has_zero(key, token.size()) ? simd::WordKey{} : key;
}

}  // namespace

TokenTable::TokenTable(const std::vector<Trie::Entry>& entries) {
  find_places(entries.size(), [&](size_t places, int shift, const auto& random) {
    for (uint64_t& factor : factors_) factor = random();
    shift_ = shift;
    // A fourth as many beginnings as places: few tokens share one.
    beginning_shift_ = shift + 2;
    lengths_.assign(places / 4, 0);
    marks_.assign(slots_for(places), kEmptyMark);
    keys_.resize(marks_.size());
    ids_.resize(marks_.size());
    return fill(entries);
  });
}

bool TokenTable::fill(const std::vector<Trie::Entry>& entries) {
  for (const auto& [token, id] : entries) {
    const simd::WordKey key = key_of(token);
    if (key.low == 0) continue;
    if (token.size() >= kBeginning) {
      const simd::WordKey first = simd::make_key(token.data(), kBeginning);
      lengths_[beginning(first)] |= uint32_t{1} << token.size();
    }
    const uint64_t hash = hash_of(key);
    size_t i = home(hash);
    const size_t last = i + kMaxDistance;
    while (i < last && marks_[i] != kEmptyMark) ++i;
    if (i == last) return false;
    marks_[i] = mark_of(hash, shift_);
    keys_[i] = key;
    ids_[i] = id;
  }
  return true;
}

}  // namespace fusebert
