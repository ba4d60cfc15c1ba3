// The fast network's hidden layer, its gradient and the backward of that gradient: products over
// tiles that stay in the last cache level, and one pass over their results or, where our own
// products run, none. Where products take bfloat16, what only products read is written as bfloat16
// alone.
#include <type_traits>

#include "cuda/cuda_device.h"
#include "cuda/gradient_entry.cuh"
#include "cuda/matrix_rows.cuh"
#include "cuda/reduced.cuh"
#include "cuda/tile_plan.h"
#include "cuda/view.cuh"
#include "fastweight/gradient_products.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {
namespace {

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
        const float s = sigmoid(g.value[i]);
        const auto entry = GradientEntry::of(rates, g.value[i], u.value[i], dh.value[i], s);
        outGate.value[i] = entry.gate;
        outUp.value[i] = entry.up;
        outHidden.value[i] = entry.hidden;
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
      tokenProduct(p.batch, p.tokens, 2 * p.hiddenDim, p.keyDim, p.x, p.w02, true, p.gateUp);
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
  const Operand gateUp = inHalf(p.gateUp);
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
  const Gemm gates = gatesOf(p), hidden = dHiddenOf(p);
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
  const Operand gateUp = inHalf(p.gateUp), dHidden = inHalf(p.dHidden);
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

}  // namespace fastweight::cuda
