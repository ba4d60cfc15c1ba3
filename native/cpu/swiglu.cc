// The fast network's hidden layer, its gradient and the backward of that gradient.
#include <algorithm>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cpu {
namespace {

/// Workspace floats of a tile, about half of a server core's share of the last cache level.
constexpr int64_t kTileFloats = int64_t{1} << 20;

float rateOf(ConstMatrices rates, int64_t b, int64_t t, int index) {
  return rates.data == nullptr ? 1.0f : rates.data[b * rates.stride + t * rates.leading + index];
}

/// body(b, t) for every token of every batch entry.
template <typename Body>
void forTokens(int64_t batch, int64_t tokens, int64_t hiddenDim, Body body) {
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, hiddenDim));
  parallelFor(batch * tokens, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) body(item / tokens, item % tokens);
  });
}

template <typename Views>
auto* rowOf(const Views& views, int64_t b, int64_t t) {
  return views.data + b * views.stride + t * views.leading;
}

}  // namespace

int64_t CpuDevice::tileTokens(int64_t rows, int64_t hiddenDim) const {
  const int64_t tokens = kTileFloats / std::max<int64_t>(1, rows * 3 * hiddenDim);
  return std::max<int64_t>(64, std::min<int64_t>(2048, tokens / 64 * 64));
}

void CpuDevice::swiglu(const Swiglu& p) {
  Gemm product;
  product.batch = p.batch;
  product.m = p.tokens;
  product.n = 2 * p.hiddenDim;
  product.k = p.keyDim;
  product.transposeB = true;
  product.a = p.x;
  product.b = p.w02;
  product.c = p.gateUp;
  gemm(product);
  forTokens(p.batch, p.tokens, p.hiddenDim, [&](int64_t b, int64_t t) {
    const float* g = rowOf(p.gateUp, b, t);
    const float* u = g + p.hiddenDim;
    float* hidden = rowOf(p.hidden, b, t);
    for (int64_t j = 0; j < p.hiddenDim; ++j) hidden[j] = silu(g[j]) * u[j];
  });
}

void CpuDevice::swigluGradient(const SwigluGradient& p) {
  Gemm product;
  product.batch = p.batch;
  product.m = p.tokens;
  product.n = 2 * p.hiddenDim;
  product.k = p.keyDim;
  product.transposeB = true;
  product.a = p.k;
  product.b = p.w02;
  product.c = p.gateUp;
  gemm(product);
  product.n = p.hiddenDim;
  product.k = p.valueDim;
  product.transposeB = false;
  product.a = p.v;
  product.b = p.w1;
  product.c = p.dHidden;
  gemm(product);
  if (p.activationsOnly) return;
  forTokens(p.batch, p.tokens, p.hiddenDim, [&](int64_t b, int64_t t) {
    const float rate0 = rateOf(p.rates, b, t, 0), rate1 = rateOf(p.rates, b, t, 1);
    const float rate2 = rateOf(p.rates, b, t, 2);
    float* gate = rowOf(p.gateUp, b, t);
    float* up = gate + p.hiddenDim;
    float* dHidden = rowOf(p.dHidden, b, t);
    for (int64_t j = 0; j < p.hiddenDim; ++j) {
      const float g = gate[j], u = up[j], dh = dHidden[j];
      const float s = sigmoid(g);
      gate[j] = rate0 * (dh * u * siluDerivative(g, s));
      up[j] = rate2 * (dh * (g * s));
      dHidden[j] = rate1 * (g * s * u);
    }
  });
}

void CpuDevice::swigluGradientBackward(const SwigluGradientBackward& p) {
  forTokens(p.batch, p.tokens, p.hiddenDim, [&](int64_t b, int64_t t) {
    const float rate0 = rateOf(p.rates, b, t, 0), rate1 = rateOf(p.rates, b, t, 1);
    const float rate2 = rateOf(p.rates, b, t, 2);
    float* gate = rowOf(p.gateUp, b, t);
    float* up = gate + p.hiddenDim;
    float* dHidden = rowOf(p.dHidden, b, t);
    float* gateCotangent = rowOf(p.gateUpCotangent, b, t);
    float* upCotangent = gateCotangent + p.hiddenDim;
    float* dHiddenCotangent = rowOf(p.dHiddenCotangent, b, t);
    constexpr int kLanes = 16;
    float sums0[kLanes] = {}, sums1[kLanes] = {}, sums2[kLanes] = {};
    const auto step = [&](int64_t j, int lane) {
      const float g = gate[j], u = up[j], dh = dHidden[j];
      const float s = sigmoid(g);
      const float activation = g * s, slope = siluDerivative(g, s);
      const float dGate = dh * u * slope, dUp = dh * activation, hidden = activation * u;
      sums0[lane] += gateCotangent[j] * dGate;
      sums1[lane] += dHiddenCotangent[j] * hidden;
      sums2[lane] += upCotangent[j] * dUp;
      const float a0 = rate0 * gateCotangent[j], a1 = rate1 * dHiddenCotangent[j];
      const float a2 = rate2 * upCotangent[j];
      gate[j] = rate0 * dGate;
      up[j] = rate2 * dUp;
      dHidden[j] = rate1 * hidden;
      gateCotangent[j] = (a2 * dh + a1 * u) * slope + a0 * dh * u * siluSecondDerivative(g, s);
      upCotangent[j] = a0 * dh * slope + a1 * activation;
      dHiddenCotangent[j] = a0 * u * slope + a2 * activation;
    };
    int64_t j = 0;
    for (; j + kLanes <= p.hiddenDim; j += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) step(j + lane, lane);
    }
    for (; j < p.hiddenDim; ++j) step(j, static_cast<int>(j % kLanes));
    float* rates = rowOf(p.ratesCotangent, b, t);
    for (int lane = 1; lane < kLanes; ++lane) {
      sums0[0] += sums0[lane];
      sums1[0] += sums1[lane];
      sums2[0] += sums2[lane];
    }
    rates[0] += sums0[0];
    rates[1] += sums1[0];
    rates[2] += sums2[0];
  });
}

}  // namespace fastweight::cpu
