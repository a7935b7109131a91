// Block-wide primitives of CUB, which the CUDA toolkit carries: independent truths for barriers,
// shuffles and shared memory.
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>

constexpr int kThreads = 128;
constexpr int kItems = 4;

extern "C" __global__ void block_reduce(const float* x, float* sums, int count) {
  using Reduce = cub::BlockReduce<float, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const int at = blockIdx.x * kThreads + threadIdx.x;
  const float sum = Reduce(storage).Sum(at < count ? x[at] : 0.0f);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

extern "C" __global__ void block_reduce_raking(const int* x, int* largest, int count) {
  using Reduce = cub::BlockReduce<int, kThreads, cub::BLOCK_REDUCE_RAKING>;
  __shared__ typename Reduce::TempStorage storage;
  const int at = blockIdx.x * kThreads + threadIdx.x;
  const int value = at < count ? x[at] : -2147483647;
  const int most = Reduce(storage).Reduce(value, [](int a, int b) { return a > b ? a : b; });
  if (threadIdx.x == 0) largest[blockIdx.x] = most;
}

extern "C" __global__ void block_scan(const int* x, int* sums) {
  using Scan = cub::BlockScan<int, kThreads>;
  __shared__ typename Scan::TempStorage storage;
  int items[kItems];
  for (int i = 0; i < kItems; ++i) items[i] = x[threadIdx.x * kItems + i];
  Scan(storage).InclusiveSum(items, items);
  for (int i = 0; i < kItems; ++i) sums[threadIdx.x * kItems + i] = items[i];
}

extern "C" __global__ void block_sort(const float* x, float* sorted) {
  using Sort = cub::BlockRadixSort<float, kThreads, kItems>;
  __shared__ typename Sort::TempStorage storage;
  float items[kItems];
  for (int i = 0; i < kItems; ++i) items[i] = x[threadIdx.x * kItems + i];
  Sort(storage).Sort(items);
  for (int i = 0; i < kItems; ++i) sorted[threadIdx.x * kItems + i] = items[i];
}
