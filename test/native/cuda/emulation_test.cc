// The emulation itself: that threads wait, exchange and share as CUDA's do.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <numeric>

#include "cuda/launch.h"
#include "cuda/shared_memory.cuh"
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

using cuda::LaunchShape;

/// Keeps the first failure of a launch.
struct Queue {
  cudaError_t failure = cudaSuccess;

  cudaStream_t handle() const { return nullptr; }
  void record(cudaError_t error, const char*) {
    if (failure == cudaSuccess) failure = error;
  }
};

template <typename Kernel, typename... Arguments>
cudaError_t run(const LaunchShape& shape, Kernel kernel, Arguments... arguments) {
  Queue queue;
  cuda::launch(queue, "test", shape, kernel, arguments...);
  return queue.failure;
}

/// y[b] = sum of the block's x, through shuffles, static and dynamic shared memory.
__global__ void sumBlocks(const float* x, float* y) {
  __shared__ float warpSums[32];
  float* values = cuda::dynamicShared<float>();
  values[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  float sum = values[blockDim.x - 1 - threadIdx.x];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) warpSums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? warpSums[threadIdx.x] : 0.0f;
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
  }
}

void testSums() {
  const int blocks = 3, threads = 96;
  std::vector<float> x(blocks * threads), y(blocks);
  std::iota(x.begin(), x.end(), 1.0f);
  for (const bool reversed : {false, true}) {
    cuda_emulation::setReversedThreads(reversed);
    run(LaunchShape{blocks, threads, threads * 4}, sumBlocks, x.data(), y.data());
    for (int b = 0; b < blocks; ++b) {
      const float wanted = threads * (2.0f * threads * b + threads + 1) / 2;
      expect(y[b] == wanted, "sum of block " + std::to_string(b), std::to_string(y[b]));
    }
  }
  cuda_emulation::setReversedThreads(false);
}

/// Threads from `leave` on end early; the others still meet.
__global__ void someLeave(int leave, int* y) {
  if (static_cast<int>(threadIdx.x) >= leave) return;
  y[threadIdx.x] = __syncthreads_count(threadIdx.x % 2 == 0);
  __syncthreads();
  y[threadIdx.x] += 1000 * static_cast<int>(threadIdx.x == 0 ? y[leave - 1] : 0);
}

void testEarlyEnd() {
  int y[64] = {};
  run(LaunchShape{1, 64}, someLeave, 41, y);
  expect(y[40] == 21 && y[0] == 21021, "threads that ended are not waited for",
         std::to_string(y[0]));
}

/// Half warps that work apart.
__global__ void halves(unsigned int* y) {
  const unsigned int lane = threadIdx.x % 32;
  const unsigned int mask = lane < 16 ? 0xffffu : 0xffff0000u;
  unsigned int value = lane;
  for (unsigned int round = 0; round < (lane < 16 ? 3u : 5u); ++round) {
    value += __shfl_sync(mask, value, 0, 16);
    __syncwarp(mask);
  }
  y[threadIdx.x] = value + 100 * (__ballot_sync(mask, lane % 16 == 1) >> 1 & 1);
}

void testHalves() {
  unsigned int y[32];
  run(LaunchShape{1, 32}, halves, y);
  // A first lane doubles each round, and the others add what it had.
  expect(y[3] == 103 && y[16] == 16 * 32 && y[17] == 17 + 16 * 31, "masks part a warp",
         std::to_string(y[17]));
}

void testLaunchLimits() {
  float y = 0;
  expect(run(LaunchShape{1, 2048}, sumBlocks, &y, &y) == cudaErrorInvalidConfiguration,
         "too many threads are refused");
  expect(run(LaunchShape{1, 32, 1 << 20}, sumBlocks, &y, &y) == cudaErrorInvalidValue,
         "too much shared memory is refused");
  expect(run(LaunchShape{0, 32}, sumBlocks, &y, &y) == cudaSuccess, "no blocks, no launch");
}

void testBfloat16() {
  expect(__bfloat162float(__float2bfloat16_rn(1.00390625f)) == 1.0f, "bfloat16 ties to even");
  expect(__bfloat162float(__float2bfloat16_rn(1.01171875f)) == 1.015625f, "bfloat16 rounds up");
  expect(__bfloat162float(__float2bfloat16_rn(-HUGE_VALF)) == -HUGE_VALF, "bfloat16 infinity");
}

}  // namespace

void testEmulation() {
  testSums();
  testEarlyEnd();
  testHalves();
  testLaunchLimits();
  testBfloat16();
}

}  // namespace fastweight::test
