// Activations, alone or as the gate of a product.
#pragma once

#include "cpu/lanes.h"
#include "cpu/sequence_functions.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

/// y = f(x + offset) * up?; the loops are the same for every f.
template <typename Function>
static inline void activateWith(const Activate& a, int64_t begin, int64_t end, Function f) {
  const float* x = a.x.floats();
  const float* up = a.up.floats();
  float* y = a.y.floats();
  const float offset = a.offset;
  if (up == nullptr) {
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i] + offset);
  } else {
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i] + offset) * up[i];
  }
}

template <typename Function, typename Derivative>
static inline void activateBackwardWith(const ActivateBackward& a, int64_t begin, int64_t end,
                                        Function f, Derivative derivative) {
  const float* x = a.x.floats();
  const float* up = a.up.floats();
  const float* dy = a.yCotangent;
  float* dx = a.xCotangent;
  float* dUp = a.upCotangent;
  const float offset = a.offset;
  if (up == nullptr) {
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * derivative(x[i] + offset);
  } else {
    for (int64_t i = begin; i < end; ++i) {
      dx[i] = dy[i] * up[i] * derivative(x[i] + offset);
      dUp[i] = dy[i] * f(x[i] + offset);
    }
  }
}

static void activate(const Activate& a, int64_t begin, int64_t end) {
  switch (a.activation) {
    case Activation::kSilu:
      return activateWith(a, begin, end, [](float x) { return silu(x); });
    case Activation::kSoftplus:
      return activateWith(a, begin, end, [](float x) { return softplus(x); });
    case Activation::kGelu:
      return activateWith(a, begin, end, [](float x) { return gelu(x); });
    case Activation::kGeluTanh:
      return activateWith(a, begin, end, [](float x) { return geluTanh(x); });
  }
}

static void activateBackward(const ActivateBackward& a, int64_t begin, int64_t end) {
  switch (a.activation) {
    case Activation::kSilu:
      return activateBackwardWith(
          a, begin, end, [](float x) { return silu(x); },
          [](float x) { return siluDerivative(x, sigmoid(x)); });
    case Activation::kSoftplus:
      return activateBackwardWith(
          a, begin, end, [](float x) { return softplus(x); }, [](float x) { return sigmoid(x); });
    case Activation::kGelu:
      return activateBackwardWith(
          a, begin, end, [](float x) { return gelu(x); },
          [](float x) { return geluDerivative(x); });
    case Activation::kGeluTanh:
      return activateBackwardWith(
          a, begin, end, [](float x) { return geluTanh(x); },
          [](float x) { return geluTanhDerivative(x); });
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
