// Looking up, and making room.
#include "cuda/encoder/graph_cache.h"

#include <algorithm>

namespace fusebert::cuda {

GraphCache::Entry& GraphCache::find(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
  } else {
    if (entries_.size() == kMostEntries) entries_.pop_back();
    entries_.emplace_front().key = key;
  }
  Entry& entry = entries_.front();
  entry.sightings = std::min(entry.sightings + 1, kWorthRecording);
  return entry;
}

}  // namespace fusebert::cuda
