// Matrix products with nvcuda::wmma, 16×16 tiles of C to a warp.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

template <typename In, typename Sum, int kDepth, typename Load>
__device__ void multiply(const In* a, const In* b, Sum* c, int n, int k) {
  const int row = blockIdx.y * 16;
  const int column = blockIdx.x * 16;
  wmma::fragment<wmma::matrix_a, 16, 16, kDepth, Load, wmma::row_major> left;
  wmma::fragment<wmma::matrix_b, 16, 16, kDepth, Load, wmma::row_major> right;
  wmma::fragment<wmma::accumulator, 16, 16, kDepth, Sum> sum;
  wmma::fill_fragment(sum, static_cast<Sum>(0));
  for (int i = 0; i < k; i += kDepth) {
    wmma::load_matrix_sync(left, a + row * k + i, k);
    wmma::load_matrix_sync(right, b + i * n + column, n);
    wmma::mma_sync(sum, left, right, sum);
  }
  wmma::store_matrix_sync(c + row * n + column, sum, n, wmma::mem_row_major);
}

extern "C" __global__ void wmma_half(const half* a, const half* b, float* c, int n, int k) {
  multiply<half, float, 16, half>(a, b, c, n, k);
}

extern "C" __global__ void wmma_half_sums(const half* a, const half* b, half* c, int n, int k) {
  multiply<half, half, 16, half>(a, b, c, n, k);
}

extern "C" __global__ void wmma_bytes(const signed char* a, const signed char* b, int* c, int n,
                                      int k) {
  multiply<signed char, int, 16, signed char>(a, b, c, n, k);
}

#if __CUDA_ARCH__ >= 800
extern "C" __global__ void wmma_tensor32(const float* a, const float* b, float* c, int n, int k) {
  multiply<float, float, 8, wmma::precision::tf32>(a, b, c, n, k);
}
#endif
