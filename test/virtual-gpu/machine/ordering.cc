#include "machine/ordering.h"

#include <utility>

namespace virtual_gpu {
namespace {

std::size_t levels_of(Scope scope) { return static_cast<std::size_t>(scope) + 1; }

}  // namespace

void ReleasedWords::write(const Range& words, const Knowledge& what, bool keeps) {
  // Most kernels never release anything.
  if (!what && (keeps || !used_)) return;
  const std::lock_guard lock(mutex_);
  used_ = true;
  for (std::uint64_t address = words.first; address < words.end; address += words.step) {
    if (keeps) {
      Knowledge& word = words_[address];
      word = joined(word, what);
    } else if (what) {
      words_[address] = what;
    } else {
      words_.erase(address);
    }
  }
}

Knowledge ReleasedWords::read(const Range& words) const {
  if (!used_) return nullptr;
  const std::lock_guard lock(mutex_);
  Knowledge all;
  for (std::uint64_t address = words.first; address < words.end; address += words.step) {
    const auto found = words_.find(address);
    if (found != words_.end()) all = joined(all, found->second);
  }
  return all;
}

void Ordering::fence(std::uint32_t warp, Clock& clock, Scope scope) {
  WarpState& state = warps_[warp];
  for (std::size_t i = 0; i < levels_of(scope); ++i) {
    clock.learn(std::exchange(state.seen[i], nullptr), block_);
  }
  clock.advance();
  const Knowledge everything = clock.all(block_);
  for (std::size_t i = 0; i < levels_of(scope); ++i) state.released[i] = everything;
}

void Ordering::write(std::uint32_t warp, Clock& clock, const ReleasedWords::Range& words,
                     const Semantics& semantics, bool atomic) {
  Knowledge now;
  if (semantics.releases) {
    clock.advance();
    now = clock.all(block_);
  }
  for (std::size_t i = 0; i < levels_of(semantics.scope); ++i) {
    words_[i]->write(words, now ? now : warps_[warp].released[i], atomic);
  }
}

void Ordering::read(std::uint32_t warp, Clock& clock, const ReleasedWords::Range& words,
                    const Semantics& semantics) {
  for (std::size_t i = 0; i < levels_of(semantics.scope); ++i) {
    const Knowledge found = words_[i]->read(words);
    if (semantics.acquires) {
      clock.learn(found, block_);
    } else {
      warps_[warp].seen[i] = joined(warps_[warp].seen[i], found);
    }
  }
}

}  // namespace virtual_gpu
