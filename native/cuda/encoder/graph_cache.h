// The graphs of a model by what they are recorded for; those unused longest make room.
#pragma once

#include <cstddef>
#include <list>

#include "cuda/driver/graph.h"
#include "cuda/encoder/batch_shape.h"

namespace fusebert::cuda {

class GraphCache {
 public:
  // Sixteen shapes of batches in each of two slots.
  static constexpr std::size_t kMostEntries = 32;

  struct Key {
    std::size_t slot = 0;  // whose buffers the kernels read and write
    BatchShape shape;

    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    int sightings = 0;  // counted up to kWorthRecording
    GraphExec graph;    // empty until it is recorded

    bool worth_recording() const { return sightings >= kWorthRecording; }
  };

  // The key's entry, for now the latest. Valid until the next call.
  Entry& find(const Key& key);
  std::size_t size() const { return entries_.size(); }

 private:
  // Recording costs more than launching once: shapes that do not come again are not worth it.
  static constexpr int kWorthRecording = 2;

  std::list<Entry> entries_;  // the latest first
};

}  // namespace fusebert::cuda
