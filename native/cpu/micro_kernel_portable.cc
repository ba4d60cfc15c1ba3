// Micro-kernels in plain C++, for whatever instructions the compiler's target always has: tiles of
// 4 x 8, small enough for 16 registers of four floats.
#include <string.h>

#include "cpu/micro_kernel.h"

namespace fastweight::cpu {
namespace {

constexpr int kWidth = 4;
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;

#if defined(__GNUC__)

typedef float Vector __attribute__((vector_size(4 * kWidth)));

inline Vector multiply(Vector x, Vector y) { return x * y; }
inline Vector multiplyAdd(Vector x, Vector y, Vector z) { return x * y + z; }

#else

struct Vector {
  float lanes[kWidth];
  float& operator[](int i) { return lanes[i]; }
};

inline Vector multiply(Vector x, Vector y) {
  for (int i = 0; i < kWidth; ++i) x[i] *= y[i];
  return x;
}
inline Vector multiplyAdd(Vector x, Vector y, Vector z) {
  for (int i = 0; i < kWidth; ++i) z[i] += x[i] * y[i];
  return z;
}

#endif

inline Vector load(const float* from) {
  Vector x;
  for (int i = 0; i < kWidth; ++i) x[i] = from[i];
  return x;
}
inline void store(float* to, Vector x) {
  for (int i = 0; i < kWidth; ++i) to[i] = x[i];
}
inline Vector broadcast(const float* from) {
  Vector x;
  for (int i = 0; i < kWidth; ++i) x[i] = *from;
  return x;
}
inline Vector zeroVector() {
  const float zero = 0;
  return broadcast(&zero);
}

void transposeSquare(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  for (int i = 0; i < kWidth; ++i) {
    for (int j = 0; j < kWidth; ++j) to[j * toStride + i] = from[i * fromStride + j];
  }
}

}  // namespace
}  // namespace fastweight::cpu

#include "cpu/micro_kernel.inl"

namespace fastweight::cpu {

const MicroKernels* microKernelsPortable() { return &kKernels; }

}  // namespace fastweight::cpu
