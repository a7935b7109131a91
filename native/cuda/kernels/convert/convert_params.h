// What the kernel that converts weights is given; the same for the host and the device.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

enum class SourceType : std::int32_t { kF32, kF16, kBF16 };

// Spreads groups of `size` indices over groups of `stride`, so that heads get room for padding.
struct Spread {
  std::int32_t size = 1, stride = 1;

#ifdef __CUDACC__
  __host__ __device__
#endif
  std::int32_t operator()(std::int32_t index) const {
    return index / size * stride + index % size;
  }
};

// out[row_spread(row), column_spread(column)] = in[row, column].
struct ConvertParams {
  const void* in = nullptr;  // [rows, columns] of `type`
  void* out = nullptr;       // rows `out_stride` elements apart, of the kernel's type or fp32
  // The least `place` with a number that is NaN or infinite, and with one that the kernel's type
  // cannot hold; whoever reads them sets them to more before.
  std::int32_t* not_finite = nullptr;
  std::int32_t* too_large = nullptr;
  std::int32_t place = 0;
  std::int32_t first_row = 0;  // of `in`, in the tensor whose rows are spread
  std::int32_t rows = 0, columns = 0;
  std::int32_t out_stride = 0;
  Spread row_spread, column_spread;
  SourceType type = SourceType::kF32;
  std::int32_t to_float = 0;  // else to the kernel's type
};

}  // namespace fusebert::cuda
