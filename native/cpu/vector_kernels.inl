// The loops of vector_kernels.h. Everything here has internal linkage and uses no library
// templates, so that code compiled for one instruction set is never what the linker keeps for
// another.

#include "fastweight/scalar_functions.h"

// For loops whose results may take their inputs' places, entry by entry.
#if defined(__clang__)
#define FASTWEIGHT_INDEPENDENT_LOOP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FASTWEIGHT_INDEPENDENT_LOOP _Pragma("GCC ivdep")
#elif defined(_MSC_VER)
#define FASTWEIGHT_INDEPENDENT_LOOP __pragma(loop(ivdep))
#else
#define FASTWEIGHT_INDEPENDENT_LOOP
#endif

namespace fastweight::cpu {
namespace {

void swiglu(int64_t count, const float* __restrict g, const float* __restrict u,
            float* __restrict hidden) {
  for (int64_t j = 0; j < count; ++j) hidden[j] = silu(g[j]) * u[j];
}

void swigluGradient(int64_t count, const float* rates, const float* g, const float* u,
                    const float* dHidden, float* scaledG, float* scaledU, float* scaledHidden) {
  const float rate0 = rates[0], rate1 = rates[1], rate2 = rates[2];
  FASTWEIGHT_INDEPENDENT_LOOP
  for (int64_t j = 0; j < count; ++j) {
    const float gate = g[j], up = u[j], dh = dHidden[j];
    const float s = sigmoid(gate);
    const float activation = gate * s;
    scaledG[j] = rate0 * (dh * up * siluDerivative(gate, s));
    scaledU[j] = rate2 * (dh * activation);
    scaledHidden[j] = rate1 * (activation * up);
  }
}

void swigluGradientBackward(int64_t count, const float* rates, const float* g, const float* u,
                            const float* dHidden, float* scaledG, float* scaledU,
                            float* scaledHidden, float* __restrict gCotangent,
                            float* __restrict uCotangent, float* __restrict dHiddenCotangent,
                            float* ratesCotangent) {
  // Sums go to fixed lanes, so that their order does not depend on the vector's width.
  constexpr int kLanes = 16;
  const float rate0 = rates[0], rate1 = rates[1], rate2 = rates[2];
  float sums0[kLanes] = {}, sums1[kLanes] = {}, sums2[kLanes] = {};
  for (int64_t start = 0; start < count; start += kLanes) {
    const int lanes = count - start < kLanes ? static_cast<int>(count - start) : kLanes;
    FASTWEIGHT_INDEPENDENT_LOOP
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t j = start + lane;
      const float gate = g[j], up = u[j], dh = dHidden[j];
      const float s = sigmoid(gate);
      const float activation = gate * s, slope = siluDerivative(gate, s);
      const float dGate = dh * up * slope, dUp = dh * activation, hidden = activation * up;
      const float a0 = rate0 * gCotangent[j], a1 = rate1 * dHiddenCotangent[j];
      const float a2 = rate2 * uCotangent[j];
      sums0[lane] += gCotangent[j] * dGate;
      sums1[lane] += dHiddenCotangent[j] * hidden;
      sums2[lane] += uCotangent[j] * dUp;
      scaledG[j] = rate0 * dGate;
      scaledU[j] = rate2 * dUp;
      scaledHidden[j] = rate1 * hidden;
      gCotangent[j] = (a2 * dh + a1 * up) * slope + a0 * dh * up * siluSecondDerivative(gate, s);
      uCotangent[j] = a0 * dh * slope + a1 * activation;
      dHiddenCotangent[j] = a0 * up * slope + a2 * activation;
    }
  }
  float sum0 = 0, sum1 = 0, sum2 = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    sum0 += sums0[lane];
    sum1 += sums1[lane];
    sum2 += sums2[lane];
  }
  ratesCotangent[0] += sum0;
  ratesCotangent[1] += sum1;
  ratesCotangent[2] += sum2;
}

void adamW(const AdamWStep& step, const AdamWTensor& tensor) {
  const AdamWStep s = step;
  float* __restrict variable = tensor.variable;
  const float* __restrict gradient = tensor.gradient;
  float* __restrict first = tensor.first;
  float* __restrict second = tensor.second;
  for (int64_t i = 0; i < tensor.count; ++i) {
    const float g = gradient[i];
    const float m = s.beta1 * first[i] + s.oneMinusBeta1 * g;
    const float v = s.beta2 * second[i] + s.oneMinusBeta2 * (g * g);
    first[i] = m;
    second[i] = v;
    const float direction = m / (sqrtf(v / s.secondCorrection) + s.epsilon);
    variable[i] = s.kept * variable[i] - s.rate * direction;
  }
}

void muonMomentum(const MuonMomentum& m) {
  const float kept = m.momentum, taken = m.oneMinusMomentum;
  const float* __restrict gradient = m.gradient;
  float* __restrict average = m.average;
  float* __restrict direction = m.direction;
  for (int64_t i = 0; i < m.count; ++i) {
    const float next = kept * average[i] + taken * gradient[i];
    average[i] = next;
    direction[i] = m.nesterov ? kept * next + taken * gradient[i] : next;
  }
}

float sumOfSquares(int64_t count, const float* x) {
  constexpr int kLanes = 64;
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += x[i + lane] * x[i + lane];
  }
  for (int lane = 0; i < count; ++i, ++lane) sums[lane] += x[i] * x[i];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

const VectorKernels kVectorKernels = {swiglu, swigluGradient, swigluGradientBackward,
                                      adamW,  muonMomentum,   sumOfSquares};

}  // namespace
}  // namespace fastweight::cpu
