// The fast network's hidden layer, its gradient and the backward of that gradient: products over
// tiles that stay in the last cache level, and one pass over their results or, where our own
// products run, none. Where products take bfloat16, what only products read is written as bfloat16
// alone.
#include <type_traits>

#include "cuda/cuda_device.h"
#include "cuda/group_fold.cuh"
#include "cuda/matrix_rows.cuh"
#include "cuda/reduced.cuh"
#include "cuda/tile_plan.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {
namespace {

/// A batch of matrices of T: entry (b, i, j) is data[b * stride + i * leading + j].
template <typename T>
struct View {
  T* data;
  int64_t leading, stride;

  __device__ T* row(int64_t b, int64_t i) const { return data + b * stride + i * leading; }
};

View<const float> viewOf(const ConstMatrices& m) { return {m.data, m.leading, m.stride}; }
View<float> viewOf(const Matrices& m) { return {m.data, m.leading, m.stride}; }
template <typename T>
View<T> viewOf(const Operand& o) {
  return {static_cast<T*>(const_cast<void*>(o.data)), o.leading, o.stride};
}

template <typename T>
bool isPackable(const View<T>& view, int64_t batch) {
  return cuda::isPackable(view.data) && view.leading % kElementsTogether == 0 &&
         (batch == 1 || view.stride % kElementsTogether == 0);
}

/// hidden = silu(g) * u.
template <typename In, typename Out>
struct SwigluBody {
  View<In> gateUp;
  View<Out> hidden;

  struct Columns {
    const In *gate, *up;
    Out* hidden;
    template <int width>
    __device__ void at(int64_t j) const {
      const Pack<float, width> g = loadFloats<width>(gate + j), u = loadFloats<width>(up + j);
      Pack<float, width> result;
      for (int i = 0; i < width; ++i) result.value[i] = silu(g.value[i]) * u.value[i];
      store(hidden + j, result);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t t, int64_t hiddenDim, int lane) const {
    const In* gate = gateUp.row(b, t);
    forColumns<lanes, width>(hiddenDim, lane, Columns{gate, gate + hiddenDim, hidden.row(b, t)});
  }
};

/// What the step sizes of a token are where there are none.
struct Rates {
  float rate0 = 1, rate1 = 1, rate2 = 1;

  static __device__ Rates of(const View<const float>& rates, int64_t b, int64_t t) {
    if (rates.data == nullptr) return {};
    const float* at = rates.row(b, t);
    return {at[0], at[1], at[2]};
  }
};

/// The token-wise end of an update's gradient.
template <typename In, typename Out>
struct GradientBody {
  View<const float> rates;
  View<In> gateUp, dHidden;
  View<Out> scaledGateUp, scaledHidden;

  struct Columns {
    Rates rates;
    const In *gate, *up, *dHidden;
    Out *scaledGate, *scaledUp, *scaledHidden;
    template <int width>
    __device__ void at(int64_t j) const {
      const Pack<float, width> g = loadFloats<width>(gate + j), u = loadFloats<width>(up + j);
      const Pack<float, width> dh = loadFloats<width>(dHidden + j);
      Pack<float, width> outGate, outUp, outHidden;
      for (int i = 0; i < width; ++i) {
        const float s = sigmoid(g.value[i]), activation = g.value[i] * s;
        outGate.value[i] = rates.rate0 * (dh.value[i] * u.value[i] * siluDerivative(g.value[i], s));
        outUp.value[i] = rates.rate2 * (dh.value[i] * activation);
        outHidden.value[i] = rates.rate1 * (activation * u.value[i]);
      }
      store(scaledGate + j, outGate);
      store(scaledUp + j, outUp);
      store(scaledHidden + j, outHidden);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t t, int64_t hiddenDim, int lane) const {
    const In* gate = gateUp.row(b, t);
    Out* scaled = scaledGateUp.row(b, t);
    forColumns<lanes, width>(
        hiddenDim, lane,
        Columns{Rates::of(rates, b, t), gate, gate + hiddenDim, dHidden.row(b, t), scaled,
                scaled + hiddenDim, scaledHidden.row(b, t)});
  }
};

/// Threads of a token in the backward, which sums over its columns.
constexpr int kTokenLanes = 128;

/// The backward of GradientBody: a block a token.
template <typename Out, int width>
__global__ void __launch_bounds__(kTokenLanes)
    gradientBackwardKernel(int64_t tokens, int64_t hiddenDim, View<const float> ratesView,
                           View<const float> gateUp, View<const float> dHidden,
                           View<Out> scaledGateUp, View<Out> scaledHidden,
                           View<const float> gateUpCotangent, View<const float> dHiddenCotangent,
                           View<Out> gateUpResult, View<Out> dHiddenResult,
                           View<float> ratesCotangent) {
  const int64_t b = blockIdx.x / tokens, t = blockIdx.x % tokens;
  const Rates rates = Rates::of(ratesView, b, t);
  const float *gate = gateUp.row(b, t), *up = gate + hiddenDim, *dh = dHidden.row(b, t);
  const float *gateIn = gateUpCotangent.row(b, t), *upIn = gateIn + hiddenDim;
  const float* dhIn = dHiddenCotangent.row(b, t);
  Out *scaledGate = scaledGateUp.row(b, t), *scaledUp = scaledGate + hiddenDim;
  Out* scaledH = scaledHidden.row(b, t);
  Out *gateOut = gateUpResult.row(b, t), *upOut = gateOut + hiddenDim;
  Out* dhOut = dHiddenResult.row(b, t);
  float sums[3] = {};
  for (int64_t j = int64_t{threadIdx.x} * width; j < hiddenDim; j += kTokenLanes * width) {
    const auto g = load<width>(gate + j), u = load<width>(up + j), d = load<width>(dh + j);
    const auto dg = load<width>(gateIn + j), du = load<width>(upIn + j);
    const auto dd = load<width>(dhIn + j);
    Pack<float, width> outScaledGate, outScaledUp, outScaledHidden, outGate, outUp, outDh;
    for (int i = 0; i < width; ++i) {
      const float gi = g.value[i], ui = u.value[i], di = d.value[i];
      const float s = sigmoid(gi), activation = gi * s, slope = siluDerivative(gi, s);
      const float dGate = di * ui * slope, dUp = di * activation, hidden = activation * ui;
      const float a0 = rates.rate0 * dg.value[i], a1 = rates.rate1 * dd.value[i];
      const float a2 = rates.rate2 * du.value[i];
      sums[0] += dg.value[i] * dGate;
      sums[1] += dd.value[i] * hidden;
      sums[2] += du.value[i] * dUp;
      outScaledGate.value[i] = rates.rate0 * dGate;
      outScaledUp.value[i] = rates.rate2 * dUp;
      outScaledHidden.value[i] = rates.rate1 * hidden;
      outGate.value[i] = (a2 * di + a1 * ui) * slope + a0 * di * ui * siluSecondDerivative(gi, s);
      outUp.value[i] = a0 * di * slope + a1 * activation;
      outDh.value[i] = a0 * ui * slope + a2 * activation;
    }
    store(scaledGate + j, outScaledGate);
    store(scaledUp + j, outScaledUp);
    store(scaledH + j, outScaledHidden);
    store(gateOut + j, outGate);
    store(upOut + j, outUp);
    store(dhOut + j, outDh);
  }
  float* to = ratesCotangent.row(b, t);
  for (int i = 0; i < 3; ++i) {
    const float sum = groupSum<kTokenLanes>(sums[i]);
    if (threadIdx.x == 0) to[i] += sum;
  }
}

/// Whether 16-bit rows start on 16 bytes.
bool isOnSixteenBytes(const Operand& o, int64_t batch) {
  return reinterpret_cast<uintptr_t>(o.data) % 16 == 0 && o.leading % 8 == 0 &&
         (batch == 1 || o.stride % 8 == 0);
}

/// x w^T of all tokens.
Gemm productWithWeights(int64_t batch, int64_t tokens, int64_t n, int64_t k, ConstMatrices x,
                        ConstMatrices w, bool transposed, Matrices c) {
  Gemm g;
  g.batch = batch;
  g.m = tokens;
  g.n = n;
  g.k = k;
  g.transposeB = transposed;
  g.a = x;
  g.b = w;
  g.c = c;
  return g;
}

}  // namespace

int64_t CudaDevice::tileTokens(int64_t rows, int64_t hiddenDim) const {
  TilePlan plan;
  plan.multiprocessors = stream_.multiprocessors();
  plan.cacheBytes = stream_.cacheBytes();
  plan.elementBytes = precision_ == MatmulPrecision::kBfloat16 ? 2 : 4;
  return plan.tokens(rows, hiddenDim);
}

size_t CudaDevice::keptBytesLimit() const { return stream_.memoryBytes() / 4; }

bool CudaDevice::producesBfloat16() const {
  return precision_ == MatmulPrecision::kBfloat16 && operands_.inProducts();
}

void CudaDevice::beginProducts() { operands_.beginProducts(); }

void CudaDevice::endProducts() { operands_.endProducts(); }

bool CudaDevice::multipliesHidden(int64_t keyDim, int64_t hiddenDim) const {
  constexpr int64_t kSixteenBytes = 8;
  return producesBfloat16() && tileProducts_.areAvailable() && keyDim > 0 &&
         hiddenDim % kSixteenBytes == 0;
}

void CudaDevice::multiplyToBfloat16(const Gemm& g, const Operand& c) {
  Product p;
  p.batch = g.batch;
  p.m = g.m;
  p.n = g.n;
  p.k = g.k;
  p.transposeB = g.transposeB;
  p.inputs = p.results = Element::kBfloat16;
  p.a = leftOf(g, g.a, p.inputs);
  p.b = rightOf(g, g.b, p.inputs);
  p.c = c;
  if (p.a.data != nullptr && p.b.data != nullptr) products_.multiply(p);
}

GateUpProduct CudaDevice::gateUpOf(const Gemm& g, int64_t hiddenDim) {
  GateUpProduct product;
  product.pair = {leftOf(g, g.a, Element::kBfloat16), rightOf(g, g.b, Element::kBfloat16), g.k};
  product.batch = g.batch;
  product.tokens = g.m;
  product.hiddenDim = hiddenDim;
  return product;
}

void CudaDevice::swiglu(const Swiglu& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  const Gemm g =
      productWithWeights(p.batch, p.tokens, 2 * p.hiddenDim, p.keyDim, p.x, p.w02, true, p.gateUp);
  constexpr const char* kWhat = "the hidden layer";
  if (!producesBfloat16()) {
    gemm(g);
    const SwigluBody<const float, float> body = {viewOf(ConstMatrices(p.gateUp)), viewOf(p.hidden)};
    forRows(stream_, kWhat, p.batch, p.tokens, p.hiddenDim,
            isPackable(body.gateUp, p.batch) && isPackable(body.hidden, p.batch) &&
                p.hiddenDim % kElementsTogether == 0,
            body);
    return;
  }
  GateUpProduct product;
  const bool isOurs = multipliesHidden(p.keyDim, p.hiddenDim);
  if (isOurs) product = gateUpOf(g, p.hiddenDim);
  const Operand hidden =
      operands_.toProduce(Element::kBfloat16, p.hidden, p.batch, p.tokens, p.hiddenDim);
  if (hidden.data == nullptr) return;
  if (isOurs) {
    if (product.pair.a.data == nullptr || product.pair.b.data == nullptr) return;
    tileProducts_.swiglu(product, hidden, p.keepGateUp ? p.gateUp : Matrices());
    if (p.keepGateUp) operands_.written(p.gateUp, p.batch, p.tokens);
    return;
  }
  const auto run = [&](const auto& gateUp) {
    using In = std::remove_reference_t<decltype(*gateUp.data)>;
    const SwigluBody<In, __nv_bfloat16> body = {gateUp, viewOf<__nv_bfloat16>(hidden)};
    forRows(stream_, kWhat, p.batch, p.tokens, p.hiddenDim,
            isPackable(body.gateUp, p.batch) && isPackable(body.hidden, p.batch) &&
                p.hiddenDim % kElementsTogether == 0,
            body);
  };
  if (p.keepGateUp) {
    gemm(g);
    run(viewOf(ConstMatrices(p.gateUp)));
    return;
  }
  // The scratch that g and u go to holds them as bfloat16 as well.
  const Operand gateUp = {p.gateUp.data, 2 * p.gateUp.leading, 2 * p.gateUp.stride};
  multiplyToBfloat16(g, gateUp);
  run(viewOf<const __nv_bfloat16>(gateUp));
}

template <typename In>
void CudaDevice::scaleTo(const ScaleSwigluGradient& p, const Operand& gateUp,
                         const Operand& dHidden) {
  const View<const float> rates = viewOf(p.rates);
  const bool wide = p.hiddenDim % kElementsTogether == 0;
  constexpr const char* kWhat = "an update's gradient";
  const View<const In> in = viewOf<const In>(gateUp), dh = viewOf<const In>(dHidden);
  const bool packable = wide && isPackable(in, p.batch) && isPackable(dh, p.batch);
  if (!producesBfloat16()) {
    const GradientBody<const In, float> body = {rates, in, dh, viewOf(p.scaledGateUp),
                                                viewOf(p.scaledHidden)};
    forRows(stream_, kWhat, p.batch, p.tokens, p.hiddenDim,
            packable && isPackable(body.scaledGateUp, p.batch) &&
                isPackable(body.scaledHidden, p.batch),
            body);
    return;
  }
  const Operand scaledGateUp =
      operands_.toProduce(Element::kBfloat16, p.scaledGateUp, p.batch, p.tokens, 2 * p.hiddenDim);
  const Operand scaledHidden =
      operands_.toProduce(Element::kBfloat16, p.scaledHidden, p.batch, p.tokens, p.hiddenDim);
  if (scaledGateUp.data == nullptr || scaledHidden.data == nullptr) return;
  const GradientBody<const In, __nv_bfloat16> body = {
      rates, in, dh, viewOf<__nv_bfloat16>(scaledGateUp), viewOf<__nv_bfloat16>(scaledHidden)};
  forRows(stream_, kWhat, p.batch, p.tokens, p.hiddenDim, packable, body);
}

void CudaDevice::swigluGradient(const SwigluGradient& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  const Gemm gates =
      productWithWeights(p.batch, p.tokens, 2 * p.hiddenDim, p.keyDim, p.k, p.w02, true, p.gateUp);
  const Gemm hidden =
      productWithWeights(p.batch, p.tokens, p.hiddenDim, p.valueDim, p.v, p.w1, false, p.dHidden);
  ScaleSwigluGradient scale;
  scale.batch = p.batch;
  scale.tokens = p.tokens;
  scale.hiddenDim = p.hiddenDim;
  scale.rates = p.rates;
  scale.gateUp = p.gateUp;
  scale.dHidden = p.dHidden;
  scale.scaledGateUp = p.gateUp;
  scale.scaledHidden = p.dHidden;
  if (p.activationsOnly || !producesBfloat16()) {
    gemm(gates);
    gemm(hidden);
    if (!p.activationsOnly) scaleSwigluGradient(scale);
    return;
  }
  // What is between holds bfloat16 in half of its rows.
  const Operand gateUp = {p.gateUp.data, 2 * p.gateUp.leading, 2 * p.gateUp.stride};
  const Operand dHidden = {p.dHidden.data, 2 * p.dHidden.leading, 2 * p.dHidden.stride};
  multiplyToBfloat16(hidden, dHidden);
  if (multipliesHidden(p.keyDim, p.hiddenDim) && isOnSixteenBytes(dHidden, p.batch)) {
    const GateUpProduct product = gateUpOf(gates, p.hiddenDim);
    const Operand scaledGateUp =
        operands_.toProduce(Element::kBfloat16, p.gateUp, p.batch, p.tokens, 2 * p.hiddenDim);
    const Operand scaledHidden =
        operands_.toProduce(Element::kBfloat16, p.dHidden, p.batch, p.tokens, p.hiddenDim);
    if (product.pair.a.data == nullptr || product.pair.b.data == nullptr ||
        scaledGateUp.data == nullptr || scaledHidden.data == nullptr) {
      return;
    }
    tileProducts_.swigluGradient(product, p.rates, dHidden, scaledGateUp, scaledHidden);
    return;
  }
  multiplyToBfloat16(gates, gateUp);
  scaleTo<__nv_bfloat16>(scale, gateUp, dHidden);
}

void CudaDevice::scaleSwigluGradient(const ScaleSwigluGradient& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  scaleTo<float>(p, {p.gateUp.data, p.gateUp.leading, p.gateUp.stride},
                 {p.dHidden.data, p.dHidden.leading, p.dHidden.stride});
}

void CudaDevice::swigluGradientBackward(const SwigluGradientBackward& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  const auto run = [&](const auto& scaledGateUp, const auto& scaledHidden, const auto& gateUpResult,
                       const auto& dHiddenResult) {
    using Out = std::remove_reference_t<decltype(*scaledGateUp.data)>;
    const bool wide = p.hiddenDim % kElementsTogether == 0 && isPackableView(p.gateUp, p.batch) &&
                      isPackableView(p.dHidden, p.batch) &&
                      isPackableView(p.gateUpCotangent, p.batch) &&
                      isPackableView(p.dHiddenCotangent, p.batch) &&
                      isPackable(scaledGateUp, p.batch) && isPackable(scaledHidden, p.batch);
    const auto kernel =
        wide ? gradientBackwardKernel<Out, kElementsTogether> : gradientBackwardKernel<Out, 1>;
    stream_.activate();
    launch(stream_, "the backward of an update's gradient", {p.batch * p.tokens, kTokenLanes},
           kernel, p.tokens, p.hiddenDim, viewOf(p.rates), viewOf(p.gateUp), viewOf(p.dHidden),
           scaledGateUp, scaledHidden, viewOf(ConstMatrices(p.gateUpCotangent)),
           viewOf(ConstMatrices(p.dHiddenCotangent)), gateUpResult, dHiddenResult,
           viewOf(p.ratesCotangent));
  };
  if (!producesBfloat16()) {
    run(viewOf(p.scaledGateUp), viewOf(p.scaledHidden), viewOf(p.gateUpCotangent),
        viewOf(p.dHiddenCotangent));
    return;
  }
  const auto produce = [&](const Matrices& view, int64_t columns) {
    return viewOf<__nv_bfloat16>(
        operands_.toProduce(Element::kBfloat16, view, p.batch, p.tokens, columns));
  };
  const auto scaledGateUp = produce(p.scaledGateUp, 2 * p.hiddenDim);
  const auto scaledHidden = produce(p.scaledHidden, p.hiddenDim);
  const auto gateUpResult = produce(p.gateUpCotangent, 2 * p.hiddenDim);
  const auto dHiddenResult = produce(p.dHiddenCotangent, p.hiddenDim);
  if (!scaledGateUp.data || !scaledHidden.data || !gateUpResult.data || !dHiddenResult.data) return;
  run(scaledGateUp, scaledHidden, gateUpResult, dHiddenResult);
}

}  // namespace fastweight::cuda
