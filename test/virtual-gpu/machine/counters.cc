#include "machine/counters.h"

namespace virtual_gpu {

void Counters::add(const Counters& other) {
  for (std::size_t i = 0; i < by_op_.size(); ++i) {
    OpCounter& mine = by_op_[i];
    const OpCounter& theirs = other.by_op_[i];
    mine.warps += theirs.warps;
    mine.lanes += theirs.lanes;
    mine.wavefronts += theirs.wavefronts;
    mine.least_wavefronts += theirs.least_wavefronts;
    mine.sectors += theirs.sectors;
    mine.least_sectors += theirs.least_sectors;
    mine.bytes += theirs.bytes;
    mine.multiply_adds += theirs.multiply_adds;
  }
}

}  // namespace virtual_gpu
