// float16 as CUDA declares it, rounding to the nearest with ties to even.
#pragma once

#include "cuda_emulation/language.h"

struct __half {
  _Float16 value;
};
struct __align__(4) __half2 {
  __half x, y;
};

inline float __half2float(__half half) { return static_cast<float>(half.value); }
inline __half __float2half_rn(float value) { return {static_cast<_Float16>(value)}; }
inline __half __float2half(float value) { return __float2half_rn(value); }
inline __half2 __floats2half2_rn(float x, float y) {
  return {__float2half_rn(x), __float2half_rn(y)};
}
inline float2 __half22float2(__half2 value) {
  return {__half2float(value.x), __half2float(value.y)};
}
