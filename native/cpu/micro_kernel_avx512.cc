// Micro-kernels for AVX-512: tiles of 12 x 32 in 24 of the 32 registers.
#include <string.h>

#include "cpu/micro_kernel.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)

#include <immintrin.h>

namespace fastweight::cpu {
namespace {

using Vector = __m512;
constexpr int kWidth = 16;
constexpr int kTileRows = 12;
constexpr int kTileVectors = 2;

inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vector x) { _mm512_storeu_ps(to, x); }
inline Vector broadcast(const float* from) { return _mm512_set1_ps(*from); }
inline Vector zeroVector() { return _mm512_setzero_ps(); }
inline Vector multiply(Vector x, Vector y) { return _mm512_mul_ps(x, y); }
inline Vector multiplyAdd(Vector x, Vector y, Vector z) { return _mm512_fmadd_ps(x, y, z); }

/// Four stages, each of which doubles the size of the squares that are in place.
void transposeSquare(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  Vector x[16], y[16];
  for (int i = 0; i < 16; ++i) x[i] = load(from + i * fromStride);
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    const __m512d low0 = _mm512_castps_pd(y[i]), high0 = _mm512_castps_pd(y[i + 1]);
    const __m512d low1 = _mm512_castps_pd(y[i + 2]), high1 = _mm512_castps_pd(y[i + 3]);
    x[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low0, low1));
    x[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low0, low1));
    x[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high0, high1));
    x[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high0, high1));
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_f32x4(y[i + 4], y[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_f32x4(y[i + 4], y[i + 12], 0xdd);
  }
  for (int i = 0; i < 16; ++i) store(to + i * toStride, x[i]);
}

}  // namespace
}  // namespace fastweight::cpu

#include "cpu/micro_kernel.inl"

namespace fastweight::cpu {

const MicroKernels* microKernelsAvx512() { return &kKernels; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const MicroKernels* microKernelsAvx512() { return nullptr; }

}  // namespace fastweight::cpu

#endif
