// The scalar functions of the models, once for every compiler and device. On the CPU they are
// written without branches or library calls, so that loops over them vectorise.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define FASTWEIGHT_SCALAR __host__ __device__ inline
#else
// Internal linkage: code compiled for one instruction set must not serve the files of another.
#define FASTWEIGHT_SCALAR [[maybe_unused]] static inline
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

/// Natural logarithm, error below 2 units in the last place; NaN below 0, -infinity at 0.
FASTWEIGHT_SCALAR float logarithm(float x) {
#ifdef __CUDA_ARCH__
  return logf(x);
#else
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)); log(1 + z) = z - z^2 / 2 + z^3 P(z) for z = m - 1.
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  int32_t bits;
  std::memcpy(&bits, &scaled, sizeof bits);
  const int32_t shifted = bits - 0x3f3504f3;  // the bits of sqrt(1/2)
  const int32_t e = shifted >> 23;
  const int32_t mantissa = (shifted & 0x7fffff) + 0x3f3504f3;
  float m;
  std::memcpy(&m, &mantissa, sizeof m);
  const float exponent = static_cast<float>(e) - (tiny ? 23.0f : 0.0f);
  const float z = m - 1.0f;
  const float z2 = z * z;
  float p = 7.0376836292e-2f;
  p = p * z - 1.1514610310e-1f;
  p = p * z + 1.1676998740e-1f;
  p = p * z - 1.2420140846e-1f;
  p = p * z + 1.4249322787e-1f;
  p = p * z - 1.6668057665e-1f;
  p = p * z + 2.0000714765e-1f;
  p = p * z - 2.4999993993e-1f;
  p = p * z + 3.3333331174e-1f;
  float y = p * z * z2 - 2.12194440e-4f * exponent - 0.5f * z2;
  y = (z + y) + 0.693359375f * exponent;
  if (x > 3.40282347e38f) y = x;
  if (x == 0.0f) y = -HUGE_VALF;
  if (x < 0.0f) y = NAN;
  return x != x ? x : y;
#endif
}

/// tanh(x), error below 3 units in the last place.
FASTWEIGHT_SCALAR float hyperbolicTangent(float x) {
#ifdef __CUDA_ARCH__
  return tanhf(x);
#else
  const float size = x < 0.0f ? -x : x;
  const float far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
  const float x2 = x * x;
  float p = -5.70498872745e-3f;
  p = p * x2 + 2.06390887954e-2f;
  p = p * x2 - 5.37397155531e-2f;
  p = p * x2 + 1.33314422036e-1f;
  p = p * x2 - 3.33332819422e-1f;
  const float near = p * x2 * x + x;
  return size < 0.625f ? near : (x < 0.0f ? -far : far);
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

/// Phi(x), the distribution function of the standard normal, from e^(-x^2 / 2); relative error
/// below 1e-6 for x above -5, absolute below 1e-7 everywhere.
FASTWEIGHT_SCALAR float normalDistribution(float x, float density) {
  // erfc(z) = e^(-z^2) t P(t) with t = 1 / (1 + z / 2), P fitted on z in [0, 10.5] to 5e-8.
  const float z = (x < 0.0f ? -x : x) * 0.707106781f;
  const float t = 1.0f / (1.0f + 0.5f * z);
  const float s = t * 2.38095238f - 1.38095238f;
  float p = -5.73150689e-5f;
  p = p * s + 2.42660775e-5f;
  p = p * s + 6.13825559e-4f;
  p = p * s - 6.85451223e-4f;
  p = p * s - 6.32366856e-3f;
  p = p * s + 6.31126576e-3f;
  p = p * s + 1.03520602e-1f;
  p = p * s + 3.27187704e-1f;
  p = p * s + 5.69408728e-1f;
  const float tail = 0.5f * density * t * p;
  return x < 0.0f ? tail : 1.0f - tail;
}

/// x Phi(x), the exact gelu.
FASTWEIGHT_SCALAR float gelu(float x) {
  return x * normalDistribution(x, exponential(-0.5f * x * x));
}

/// gelu'(x) = Phi(x) + x Phi'(x).
FASTWEIGHT_SCALAR float geluDerivative(float x) {
  const float density = exponential(-0.5f * x * x);
  return normalDistribution(x, density) + x * density * 0.398942280f;
}

/// x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is the gelu with Phi by tanh.
FASTWEIGHT_SCALAR float geluTanh(float x) {
  return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
}

/// geluTanh'(x).
FASTWEIGHT_SCALAR float geluTanhDerivative(float x) {
  const float s = sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
  return s + x * s * (1.0f - s) * 1.59576912f * (1.0f + 0.134145f * x * x);
}

/// silu''(x), from s = sigmoid(x).
FASTWEIGHT_SCALAR float siluSecondDerivative(float x, float s) {
  return s * (1.0f - s) * (2.0f + x * (1.0f - 2.0f * s));
}

}  // namespace fastweight
