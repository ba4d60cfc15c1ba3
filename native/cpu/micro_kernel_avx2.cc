// Micro-kernels for AVX2 with fused multiply-add: tiles of 6 x 16 in 12 of the 16 registers.
#include <string.h>

#include "cpu/micro_kernel.h"

// MSVC has no macro for FMA; its /arch:AVX2 allows it.
#if defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER))

#include <immintrin.h>

namespace fastweight::cpu {
namespace {

using Vector = __m256;
constexpr int kWidth = 8;
constexpr int kTileRows = 6;
constexpr int kTileVectors = 2;

inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vector x) { _mm256_storeu_ps(to, x); }
inline Vector broadcast(const float* from) { return _mm256_broadcast_ss(from); }
inline Vector zeroVector() { return _mm256_setzero_ps(); }
inline Vector multiply(Vector x, Vector y) { return _mm256_mul_ps(x, y); }
inline Vector multiplyAdd(Vector x, Vector y, Vector z) { return _mm256_fmadd_ps(x, y, z); }

/// Three stages, each of which doubles the size of the squares that are in place.
void transposeSquare(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  Vector x[8], y[8];
  for (int i = 0; i < 8; ++i) x[i] = load(from + i * fromStride);
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
    x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
    x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
    x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    store(to + i * toStride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
    store(to + (i + 4) * toStride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
  }
}

}  // namespace
}  // namespace fastweight::cpu

#include "cpu/micro_kernel.inl"

namespace fastweight::cpu {

const MicroKernels* microKernelsAvx2() { return &kKernels; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const MicroKernels* microKernelsAvx2() { return nullptr; }

}  // namespace fastweight::cpu

#endif
