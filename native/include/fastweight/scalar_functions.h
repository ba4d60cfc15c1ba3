// The scalar functions of the models, once for every compiler and device. On the CPU they are
// written without branches or library calls, so that loops over them vectorise.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define FASTWEIGHT_SCALAR __host__ __device__ inline
#else
// Internal to each file: a file compiled for one instruction set must not lend its copy to another.
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
  // Adding 1.5 * 2^23 rounds to a whole number.
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
  std::memcpy(&high, &highBits, sizeof high);
  std::memcpy(&low, &lowBits, sizeof low);
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

/// log(1 + e^x) = max(x, 0) + log(1 + z) with z = e^-|x|, to 2 units in the last place for every x.
FASTWEIGHT_SCALAR float softplus(float x) {
  const float z = exponential(x < 0.0f ? x : -x);
  // log(1 + z) = 2 artanh(t), t = z / (2 + z) <= 1/3.
  const float t = z / (2.0f + z);
  const float t2 = t * t;
  float p = 2.0f / 15.0f;
  p = p * t2 + 2.0f / 13.0f;
  p = p * t2 + 2.0f / 11.0f;
  p = p * t2 + 2.0f / 9.0f;
  p = p * t2 + 2.0f / 7.0f;
  p = p * t2 + 2.0f / 5.0f;
  p = p * t2 + 2.0f / 3.0f;
  const float log1p = (p * t2) * t + 2.0f * t;
  return (x > 0.0f ? x : 0.0f) + log1p;
}

/// silu''(x), from s = sigmoid(x).
FASTWEIGHT_SCALAR float siluSecondDerivative(float x, float s) {
  return s * (1.0f - s) * (2.0f + x * (1.0f - 2.0f * s));
}

}  // namespace fastweight
