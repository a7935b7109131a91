// What the tests of the kernels that work on rows share: finding and launching a kernel, and
// operations in fp64.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/driver/kernel.h"
#include "cuda/encoder/kernel_set.h"
#include "cuda/kernels/common/rows.h"
#include "cuda/kernels/layer_norm/layer_norm_params.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {

inline constexpr std::int32_t kNoOverflow = std::numeric_limits<std::int32_t>::max();
inline constexpr float kEpsilon = 1e-12f;
// From the shortest row to the longest, those that fill their lanes and those that do not.
inline constexpr int kColumns[] = {8, 64, 256, 264, 312, 768, 1024, 1032, 2560, 4096};
// Of them, those that wrong_rows.cu has kernels for.
inline constexpr int kWrongColumns[] = {8, 64, 256, 264, 312, 1024};

// A kernel for each length of rows: the file it is in, and its name up to the length.
struct RowKernel {
  std::string file, name;
};
// One that is wrong on purpose.
inline RowKernel wrong(const std::string& name) { return {"wrong_rows", name}; }

// The types that the device has kernels for.
std::vector<const Element*> elements();

Kernel find(const RowKernel& kernel, int columns, const Element& element,
            unsigned shared_bytes = 0);

template <class Params>
void launch(const Kernel& kernel, const LaunchShape& shape, const Params& params) {
  const Status status = kernel.launch(Device::get().stream(), shape, params);
  EXPECT_TRUE(status.ok()) << status.message();
}

// Blocks for all rows, and one too many, as a graph of a bucket has.
LaunchShape row_shape(std::size_t rows);

std::vector<float> floats(const Numbers& numbers);

// LayerNorm of rows of x in fp64.
Numbers normalized(const Numbers& x, std::size_t columns, const Numbers& gamma,
                   const Numbers& beta);
// Rows divided by their L2 norms.
Numbers unit(Numbers x, std::size_t columns);

// gamma, beta and the rest of a LayerNorm's parameters, on the device.
struct Norm {
  static constexpr std::int32_t kPlace = 5;

  Numbers gamma, beta;
  Array<float> device_gamma, device_beta;
  Array<std::int32_t> rows, overflow;
  std::size_t columns;

  Norm(std::mt19937_64& random, std::size_t row_count, std::size_t column_count);
  LayerNormParams params(const void* in, void* out) const;
};

}  // namespace fusebert::cuda::testing
