// Kernels with each of the faults that static.test.ts looks for. They are compiled, never run.

// An array with indices that only a run knows lies in local memory.
extern "C" __global__ void __launch_bounds__(128, 1)
    local_array(float* out, const float* in, const int* index) {
  float numbers[32] = {};
  for (int i = 0; i < 128; ++i) numbers[index[i]] += in[128 * i + threadIdx.x];
  out[threadIdx.x] = numbers[index[threadIdx.x]];
}

// 128 numbers at once, in the 32 registers that two blocks of 1024 threads leave.
extern "C" __global__ void __launch_bounds__(1024, 2) spills(float* out, const float* in) {
  float numbers[128];
#pragma unroll
  for (int i = 0; i < 128; ++i) numbers[i] = in[1024 * i + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 128; ++i) out[1024 * i + threadIdx.x] = numbers[i] * numbers[127 - i];
}

// More threads than a multiprocessor has; ptxas does not mind.
extern "C" __global__ void __launch_bounds__(1024, 3) many_threads(float* out, const float* in) {
  float numbers[16];
#pragma unroll
  for (int i = 0; i < 16; ++i) numbers[i] = in[1024 * i + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 16; ++i) out[1024 * i + threadIdx.x] = numbers[i] * numbers[15 - i];
}

// Four times 48 KiB are more than the 164 KiB of sm_80; nor does ptxas mind that.
extern "C" __global__ void __launch_bounds__(128, 4) much_shared(float* out, const int* index) {
  __shared__ float numbers[48 * 256];
  numbers[index[threadIdx.x]] = out[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = numbers[threadIdx.x];
}

extern "C" __global__ void without_bounds(float* out) { out[threadIdx.x] = 1.0f; }

// Neither tensor cores nor asynchronous copies.
extern "C" __global__ void __launch_bounds__(128, 1)
    gemm_scalar(float* out, const float* a, const float* b) {
  float sum = 0.0f;
  for (int i = 0; i < 128; ++i) sum += a[128 * blockIdx.x + i] * b[128 * threadIdx.x + i];
  out[128 * blockIdx.x + threadIdx.x] = sum;
}
