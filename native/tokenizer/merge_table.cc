// Fills the table of merges, anew with another factor where pairs crowd.
#include "tokenizer/merge_table.h"

namespace fusebert {

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  find_places(merges.size(), [&](size_t places, int shift, const auto& random) {
    factor_ = random();
    shift_ = shift;
    marks_.assign(slots_for(places), kEmptyMark);
    slots_.assign(marks_.size(), Slot{});
    return fill(merges);
  });
}

bool MergeTable::fill(const std::vector<Merge>& merges) {
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    const uint64_t key = key_of(merge.left, merge.right);
    const uint64_t hash = hash_of(key);
    size_t i = home(hash);
    const size_t last = i + kMaxDistance;
    while (i < last && marks_[i] != kEmptyMark && slots_[i].key != key) ++i;
    if (i == last) return false;
    marks_[i] = mark_of(hash, shift_);
    slots_[i] = {key, {static_cast<uint32_t>(rank), merge.merged}};
  }
  return true;
}

}  // namespace fusebert
