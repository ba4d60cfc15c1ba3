// Loops over the scalar functions of the models and optimizers, compiled once per instruction set.
// To add one, add a pointer here and the loop to vector_kernels.inl.
#pragma once

#include <cstdint>

#include "fastweight/optimizer_kernels.h"

namespace fastweight::cpu {

struct VectorKernels {
  /// hidden = silu(g) * u. [count]
  void (*swiglu)(int64_t count, const float* g, const float* u, float* hidden);
  /// One token of ScaleSwigluGradient: from g, u and dh to the scaled gradients of g and u and the
  /// scaled hidden layer, which may take their places. rates [3], all [count].
  void (*swigluGradient)(int64_t count, const float* rates, const float* g, const float* u,
                         const float* dHidden, float* scaledG, float* scaledU, float* scaledHidden);
  /// One token of SwigluGradientBackward; adds to ratesCotangent [3].
  void (*swigluGradientBackward)(int64_t count, const float* rates, const float* g, const float* u,
                                 const float* dHidden, float* scaledG, float* scaledU,
                                 float* scaledHidden, float* gCotangent, float* uCotangent,
                                 float* dHiddenCotangent, float* ratesCotangent);
  void (*adamW)(const AdamWStep& step, const AdamWTensor& tensor);
  void (*muonMomentum)(const MuonMomentum& momentum);
  float (*sumOfSquares)(int64_t count, const float* x);
};

/// Null where the compiler's target has no such instructions.
const VectorKernels* vectorKernelsPortable();
const VectorKernels* vectorKernelsAvx2();
const VectorKernels* vectorKernelsAvx512();

/// The set in use; see cpu_features.h. An entry's value depends on its inputs and its position from
/// the start of the call.
const VectorKernels& vectorKernels();

}  // namespace fastweight::cpu
