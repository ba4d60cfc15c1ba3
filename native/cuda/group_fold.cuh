// Folds of one value a thread over a group of threads: a warp, or a whole block. Partners are
// fixed, so results are bitwise the same from run to run.
#pragma once

#include <cuda_runtime.h>

namespace fastweight::cuda {

constexpr unsigned int kWholeWarp = 0xffffffffu;

template <typename T>
__device__ __forceinline__ T ofPartner(T value, int bits) {
  return __shfl_xor_sync(kWholeWarp, value, bits);
}

/// combine over the kThreads (32, or all of the block's) threads of the caller's group; every
/// thread gets the result. All threads of the block call it. combine must commute.
template <int kThreads, typename T, typename Combine>
__device__ __forceinline__ T groupFold(T value, Combine combine) {
  for (int bits = 16; bits > 0; bits /= 2) value = combine(value, ofPartner(value, bits));
  if constexpr (kThreads > 32) {
    __shared__ T ofWarps[kThreads / 32];
    __syncthreads();  // results of the call before are read
    if (threadIdx.x % 32 == 0) ofWarps[threadIdx.x / 32] = value;
    __syncthreads();
    value = ofWarps[0];
    for (int warp = 1; warp < kThreads / 32; ++warp) value = combine(value, ofWarps[warp]);
  }
  return value;
}

struct SumOfTwo {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// NaN where one is.
struct LargerOfTwo {
  __device__ __forceinline__ float operator()(float a, float b) const {
    return b > a || b != b ? b : a;
  }
};

template <int kThreads, typename T>
__device__ __forceinline__ T groupSum(T value) {
  return groupFold<kThreads>(value, SumOfTwo());
}
template <int kThreads>
__device__ __forceinline__ float groupLargest(float value) {
  return groupFold<kThreads>(value, LargerOfTwo());
}

}  // namespace fastweight::cuda
