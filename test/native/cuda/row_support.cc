// The helpers of the tests of rows.
#include "cuda/row_support.h"

#include <cmath>
#include <numeric>

namespace fusebert::cuda::testing {

std::vector<const Element*> elements() {
  if (!Device::get().has_bf16()) return {&kFp16};
  return {&kFp16, &kBf16};
}

Kernel find(const RowKernel& kernel, int columns, const Element& element, unsigned shared_bytes) {
  auto found = Kernel::find(Device::get().module(kernel.file, element.name),
                            row_kernel(kernel.name, columns), shared_bytes);
  EXPECT_TRUE(found.ok()) << found.status().message();
  return found.ok() ? found.value() : Kernel();
}

LaunchShape row_shape(std::size_t rows) {
  LaunchShape shape = KernelSet::row_shape(static_cast<std::int64_t>(rows));
  ++shape.blocks;
  return shape;
}

std::vector<float> floats(const Numbers& numbers) {
  return std::vector<float>(numbers.begin(), numbers.end());
}

Numbers normalized(const Numbers& x, std::size_t columns, const Numbers& gamma,
                   const Numbers& beta) {
  Numbers out(x.size());
  for (std::size_t first = 0; first < x.size(); first += columns) {
    const double mean = std::accumulate(&x[first], &x[first] + columns, 0.0) /
                        static_cast<double>(columns);
    double squares = 0.0;
    for (std::size_t i = 0; i < columns; ++i) squares += std::pow(x[first + i] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(columns) + kEpsilon);
    for (std::size_t i = 0; i < columns; ++i) {
      out[first + i] = (x[first + i] - mean) / deviation * gamma[i] + beta[i];
    }
  }
  return out;
}

Numbers unit(Numbers x, std::size_t columns) {
  for (std::size_t first = 0; first < x.size(); first += columns) {
    double squares = 0.0;
    for (std::size_t i = 0; i < columns; ++i) squares += x[first + i] * x[first + i];
    const double norm = std::max(std::sqrt(squares), 1e-12);
    for (std::size_t i = 0; i < columns; ++i) x[first + i] /= norm;
  }
  return x;
}

Norm::Norm(std::mt19937_64& random, std::size_t row_count, std::size_t column_count)
    : gamma(random_numbers(random, column_count)),
      beta(random_numbers(random, column_count)),
      device_gamma(floats(gamma)),
      device_beta(floats(beta)),
      rows(std::vector{static_cast<std::int32_t>(row_count)}),
      overflow(std::vector{kNoOverflow}),
      columns(column_count) {}

LayerNormParams Norm::params(const void* in, void* out) const {
  LayerNormParams params;
  params.in = in;
  params.out = out;
  params.gamma = device_gamma.data();
  params.beta = device_beta.data();
  params.rows = rows.data();
  params.overflow = overflow.data();
  params.place = kPlace;
  params.columns = static_cast<std::int32_t>(columns);
  params.epsilon = kEpsilon;
  return params;
}

}  // namespace fusebert::cuda::testing
