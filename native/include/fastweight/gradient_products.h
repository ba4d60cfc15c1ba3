// The products that the fast network's gradient and its backward are made of, for devices that run
// them one by one.
#pragma once

#include "fastweight/fast_weight_primitives.h"

namespace fastweight {

/// c [tokens, n] = a op(b), for each of `batch` rows. a [tokens, k].
inline Gemm tokenProduct(int64_t batch, int64_t tokens, int64_t n, int64_t k, ConstMatrices a,
                         ConstMatrices b, bool transposeB, Matrices c) {
  Gemm g;
  g.batch = batch;
  g.m = tokens;
  g.n = n;
  g.k = k;
  g.transposeB = transposeB;
  g.a = a;
  g.b = b;
  g.c = c;
  return g;
}

/// [g | u] of a gradient.
inline Gemm gatesOf(const SwigluGradient& p) {
  return tokenProduct(p.batch, p.tokens, 2 * p.hiddenDim, p.keyDim, p.k, p.w02, true, p.gateUp);
}

/// dh of a gradient.
inline Gemm dHiddenOf(const SwigluGradient& p) {
  return tokenProduct(p.batch, p.tokens, p.hiddenDim, p.valueDim, p.v, p.w1, false, p.dHidden);
}

/// The activations, into scaledGateUp and scaledHidden.
inline SwigluGradient activationsOf(const SwigluGradientBackward& p) {
  SwigluGradient a;
  a.batch = p.batch;
  a.tokens = p.tokens;
  a.keyDim = p.keyDim;
  a.valueDim = p.valueDim;
  a.hiddenDim = p.hiddenDim;
  a.activationsOnly = true;
  a.k = p.k;
  a.v = p.v;
  a.w02 = p.w02;
  a.w1 = p.w1;
  a.gateUp = p.scaledGateUp;
  a.dHidden = p.scaledHidden;
  return a;
}

/// k d02^T into gateUpCotangent: the cotangent of the scaled gradients of [g | u].
inline Gemm scaledGateUpCotangentOf(const SwigluGradientBackward& p) {
  return tokenProduct(p.batch, p.tokens, 2 * p.hiddenDim, p.keyDim, p.k, p.d02, true,
                      p.gateUpCotangent);
}

/// v d1 into dHiddenCotangent: the cotangent of the scaled hidden layer.
inline Gemm scaledHiddenCotangentOf(const SwigluGradientBackward& p) {
  return tokenProduct(p.batch, p.tokens, p.hiddenDim, p.valueDim, p.v, p.d1, false,
                      p.dHiddenCotangent);
}

/// [g | u] and dh.
struct GradientActivations {
  ConstMatrices gateUp, dHidden;
};

/// Runs all products one by one; returns where the activations are.
inline GradientActivations runGradientProducts(FastWeightPrimitives& device,
                                               const SwigluGradientBackward& p) {
  const bool isKept = p.gateUp.data != nullptr;
  if (!isKept) device.swigluGradient(activationsOf(p));
  device.gemm(scaledGateUpCotangentOf(p));
  device.gemm(scaledHiddenCotangentOf(p));
  if (isKept) return {p.gateUp, p.dHidden};
  return {p.scaledGateUp, p.scaledHidden};
}

}  // namespace fastweight
