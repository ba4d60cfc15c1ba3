// The token-wise end of an update's gradient and its backward, an entry at a time.
#pragma once

#include "cuda/view.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {

/// 1 each where there are none.
struct Rates {
  float rate0 = 1, rate1 = 1, rate2 = 1;

  static __device__ __forceinline__ Rates of(const View<const float>& rates, int64_t b, int64_t t) {
    if (rates.data == nullptr) return {};
    const float* at = rates.row(b, t);
    return {at[0], at[1], at[2]};
  }
};

/// An entry of an update's gradient (fast_weight_primitives.h, SwigluGradient).
struct GradientEntry {
  float gate, up, hidden;

  /// Of g, u and dh. s is the sigmoid of g.
  static __device__ __forceinline__ GradientEntry of(const Rates& rates, float g, float u, float dh,
                                                     float s) {
    const float activation = g * s;
    return {rates.rate0 * (dh * u * siluDerivative(g, s)), rates.rate2 * (dh * activation),
            rates.rate1 * (activation * u)};
  }
};

/// Its backward: the cotangents of g, u and dh, and what it adds to those of the step sizes.
struct GradientEntryBackward {
  GradientEntry forward;
  float gate, up, dHidden;
  float rates[3];

  static __device__ __forceinline__ GradientEntryBackward of(const Rates& rates, float g, float u,
                                                             float dh, float s,
                                                             const GradientEntry& cotangent) {
    const float activation = g * s, slope = siluDerivative(g, s);
    const float dGate = dh * u * slope, dUp = dh * activation, hidden = activation * u;
    const float a0 = rates.rate0 * cotangent.gate, a1 = rates.rate1 * cotangent.hidden;
    const float a2 = rates.rate2 * cotangent.up;
    return {{rates.rate0 * dGate, rates.rate2 * dUp, rates.rate1 * hidden},
            (a2 * dh + a1 * u) * slope + a0 * dh * u * siluSecondDerivative(g, s),
            a0 * dh * slope + a1 * activation,
            a0 * u * slope + a2 * activation,
            {cotangent.gate * dGate, cotangent.hidden * hidden, cotangent.up * dUp}};
  }
};

}  // namespace fastweight::cuda
