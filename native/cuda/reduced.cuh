// Float32 entries to and from 16 bits: bfloat16 or float16.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "cuda/elements.cuh"

namespace fastweight::cuda {

__device__ __forceinline__ float toFloat(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float toFloat(__half x) { return __half2float(x); }

/// x rounded to the nearest, ties to even.
template <typename T>
__device__ __forceinline__ T fromFloat(float x) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(x);
  } else {
    return __float2bfloat16_rn(x);
  }
}

template <
    int width, typename T,
    typename = std::enable_if_t<std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>>>
__device__ __forceinline__ void store(T* at, const Pack<float, width>& values) {
  Pack<T, width> rounded;
  for (int i = 0; i < width; ++i) rounded.value[i] = fromFloat<T>(values.value[i]);
  store(at, rounded);
}

template <
    int width, typename T,
    typename = std::enable_if_t<std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>>>
__device__ __forceinline__ Pack<float, width> loadFloats(const T* at) {
  const Pack<T, width> values = load<width>(at);
  Pack<float, width> result;
  for (int i = 0; i < width; ++i) result.value[i] = toFloat(values.value[i]);
  return result;
}

template <int width>
__device__ __forceinline__ Pack<float, width> loadFloats(const float* at) {
  return load<width>(at);
}

}  // namespace fastweight::cuda
