// Packs of float32 entries to and from bfloat16.
#pragma once

#include <cuda_bf16.h>

#include "cuda/elements.cuh"

namespace fastweight::cuda {

/// Stores `values` rounded to the nearest, ties to even.
template <int width>
__device__ __forceinline__ void store(__nv_bfloat16* at, const Pack<float, width>& values) {
  Pack<__nv_bfloat16, width> rounded;
  for (int i = 0; i < width; ++i) rounded.value[i] = __float2bfloat16_rn(values.value[i]);
  store(at, rounded);
}

template <int width>
__device__ __forceinline__ Pack<float, width> loadFloats(const __nv_bfloat16* at) {
  const Pack<__nv_bfloat16, width> values = load<width>(at);
  Pack<float, width> result;
  for (int i = 0; i < width; ++i) result.value[i] = __bfloat162float(values.value[i]);
  return result;
}

template <int width>
__device__ __forceinline__ Pack<float, width> loadFloats(const float* at) {
  return load<width>(at);
}

}  // namespace fastweight::cuda
