// Micro-kernels for 64-bit ARM: tiles of 8 x 8 in 16 of the 32 registers.
#include <string.h>

#include "cpu/micro_kernel.h"

#if defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>

namespace fastweight::cpu {
namespace {

using Vector = float32x4_t;
constexpr int kWidth = 4;
constexpr int kTileRows = 8;
constexpr int kTileVectors = 2;

inline Vector load(const float* from) { return vld1q_f32(from); }
inline void store(float* to, Vector x) { vst1q_f32(to, x); }
inline Vector broadcast(const float* from) { return vld1q_dup_f32(from); }
inline Vector zeroVector() { return vdupq_n_f32(0.0f); }
inline Vector multiply(Vector x, Vector y) { return vmulq_f32(x, y); }
inline Vector multiplyAdd(Vector x, Vector y, Vector z) { return vfmaq_f32(z, x, y); }

void transposeSquare(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  const float32x4x2_t low = vtrnq_f32(load(from), load(from + fromStride));
  const float32x4x2_t high = vtrnq_f32(load(from + 2 * fromStride), load(from + 3 * fromStride));
  store(to, vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])));
  store(to + toStride, vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])));
  store(to + 2 * toStride, vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])));
  store(to + 3 * toStride, vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])));
}

}  // namespace
}  // namespace fastweight::cpu

#include "cpu/micro_kernel.inl"

namespace fastweight::cpu {

const MicroKernels* microKernelsNeon() { return &kKernels; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const MicroKernels* microKernelsNeon() { return nullptr; }

}  // namespace fastweight::cpu

#endif
