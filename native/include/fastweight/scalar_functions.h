// The scalar functions of the models, once for every compiler and device. On the CPU they are
// written without branches or library calls, so that loops over them vectorise. Their linkage is
// internal: files compiled for different instruction sets each keep their own.
#pragma once

#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define FASTWEIGHT_SCALAR static __host__ __device__ inline
#else
#define FASTWEIGHT_SCALAR static inline
#endif

namespace fastweight {

/// e^x with an error below 2 units in the last place; 0 below -104, infinity above 88.73.
FASTWEIGHT_SCALAR float exponential(float x) {
#ifdef __CUDA_ARCH__
  return expf(x);
#else
  // e^x = 2^n e^r with |r| <= ln2 / 2; ln2 is split in two so that r is exact to the last digit.
  const float clamped = x > -104.0f ? (x < 89.0f ? x : 89.0f) : -104.0f;  // NaN becomes -104
  // Adding 1.5 * 2^23 leaves no bits below 1: it rounds to the nearest integer.
  const float n = (clamped * 1.44269504f + 12582912.0f) - 12582912.0f;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691e-4f;
  p = p * r + 1.3981999e-3f;
  p = p * r + 8.3334519e-3f;
  p = p * r + 4.1665796e-2f;
  p = p * r + 1.6666665e-1f;
  p = p * r + 5.0000001e-1f;
  p = (p * r) * r + r + 1.0f;
  // 2^n in two factors, so that results below the smallest normal number stay right.
  const int32_t whole = static_cast<int32_t>(n);
  const int32_t half = whole >> 1;
  const int32_t highBits = (half + 127) << 23;
  const int32_t lowBits = (whole - half + 127) << 23;
  float high, low;
  memcpy(&high, &highBits, sizeof high);
  memcpy(&low, &lowBits, sizeof low);
  const float result = p * high * low;
  return x != x ? x : result;
#endif
}

/// 1 / (1 + e^-x).
FASTWEIGHT_SCALAR float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/// x sigmoid(x), also called swish.
FASTWEIGHT_SCALAR float silu(float x) { return x * sigmoid(x); }

/// silu'(x), from s = sigmoid(x).
FASTWEIGHT_SCALAR float siluDerivative(float x, float s) { return s * (1.0f + x * (1.0f - s)); }

/// silu''(x), from s = sigmoid(x).
FASTWEIGHT_SCALAR float siluSecondDerivative(float x, float s) {
  return s * (1.0f - s) * (2.0f + x * (1.0f - 2.0f * s));
}

}  // namespace fastweight
