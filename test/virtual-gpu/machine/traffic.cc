#include "machine/traffic.h"

#include <algorithm>
#include <array>
#include <bit>

namespace virtual_gpu {
namespace {

constexpr std::uint32_t kBanks = 32;
constexpr std::uint32_t kBankBytes = 4;
constexpr std::uint32_t kWavefrontBytes = kBanks * kBankBytes;
constexpr std::uint32_t kSectorBytes = 32;

/// Bytes that any of the lanes touches, each counted once: lanes may read the same ones.
std::uint64_t distinct_bytes(LaneMask mask, const std::uint64_t* addresses, std::uint32_t bytes) {
  std::array<std::uint64_t, kLanes> sorted;
  std::size_t count = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    sorted[count++] = addresses[std::countr_zero(left)];
  }
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count));
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    total += last ? bytes : std::min<std::uint64_t>(bytes, sorted[i + 1] - sorted[i]);
  }
  return total;
}

std::uint64_t wavefronts(LaneMask mask, const std::uint64_t* offsets, std::uint32_t bytes) {
  // Accesses of 8 and 16 bytes go in passes of a half and a quarter of the warp.
  const std::uint32_t group = bytes <= kBankBytes ? kLanes : kLanes * kBankBytes / bytes;
  const std::uint32_t words = std::max(1u, bytes / kBankBytes);
  std::uint64_t total = 0;
  for (std::uint32_t first = 0; first < kLanes; first += group) {
    std::array<std::array<std::uint64_t, kLanes>, kBanks> seen;
    std::array<std::uint32_t, kBanks> count{};
    std::uint32_t most = 0;
    for (std::uint32_t lane = first; lane < first + group; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      for (std::uint32_t i = 0; i < words; ++i) {
        const std::uint64_t word = offsets[lane] / kBankBytes + i;
        auto& bank = seen[word % kBanks];
        std::uint32_t& n = count[word % kBanks];
        const auto end = bank.begin() + n;
        if (std::find(bank.begin(), end, word) != end) continue;
        bank[n++] = word;
        most = std::max(most, n);
      }
    }
    total += most;
  }
  return total;
}

std::uint64_t parts(std::uint64_t bytes, std::uint32_t size) { return (bytes + size - 1) / size; }

}  // namespace

void count_sectors(OpCounter& counter, LaneMask mask, const std::uint64_t* addresses,
                   std::uint32_t bytes) {
  std::array<std::uint64_t, kLanes * 2> sectors;
  std::size_t count = 0;
  for (LaneMask left = mask; left != 0; left &= left - 1) {
    const std::uint64_t address = addresses[std::countr_zero(left)];
    sectors[count++] = address / kSectorBytes;
    const std::uint64_t last = (address + bytes - 1) / kSectorBytes;
    if (last != address / kSectorBytes) sectors[count++] = last;
  }
  const auto filled = sectors.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(sectors.begin(), filled);
  const auto end = std::unique(sectors.begin(), filled);
  counter.sectors += static_cast<std::uint64_t>(end - sectors.begin());
  counter.least_sectors += parts(distinct_bytes(mask, addresses, bytes), kSectorBytes);
}

void count_wavefronts(OpCounter& counter, LaneMask mask, const std::uint64_t* offsets,
                      std::uint32_t bytes) {
  counter.wavefronts += wavefronts(mask, offsets, bytes);
  counter.least_wavefronts += parts(distinct_bytes(mask, offsets, bytes), kWavefrontBytes);
}

}  // namespace virtual_gpu
