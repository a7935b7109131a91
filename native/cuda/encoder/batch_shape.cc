// Rounding up.
#include "cuda/encoder/batch_shape.h"

#include <bit>

namespace fusebert::cuda {
namespace {

constexpr std::int64_t kLeastStep = 16;
constexpr std::int64_t kStepsOfDoubling = 8;
constexpr std::int64_t kEvenTokens = kLeastStep * kStepsOfDoubling;

}  // namespace

std::int64_t token_bucket(std::int64_t tokens) {
  std::int64_t step = kLeastStep;
  if (tokens > kEvenTokens) {
    const auto below = std::bit_floor(static_cast<std::uint64_t>(tokens - 1));
    step = static_cast<std::int64_t>(below) / kStepsOfDoubling;
  }
  return (tokens + step - 1) / step * step;
}

std::int64_t block_bucket(std::int64_t blocks) {
  if (blocks == 0) return 0;
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(blocks)));
}

}  // namespace fusebert::cuda
