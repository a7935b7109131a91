// Many texts of UTF-8, end to end, in memory that somebody else keeps for as long as the list is
// used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fusebert {

struct TextList {
  const char* bytes = nullptr;
  std::span<const int32_t> offsets;  // [texts + 1], ascending: where each text begins in `bytes`

  size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  // Of all texts together.
  size_t size_bytes() const {
    return offsets.empty() ? 0 : static_cast<size_t>(offsets.back() - offsets.front());
  }
  std::string_view operator[](size_t i) const {
    return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
};

}  // namespace fusebert
