// The backward of an update's gradient by its tokens and weights: products, and one pass over their
// results or, where our own products run, an end of the last of them.
#include <type_traits>

#include "cuda/cuda_device.h"
#include "cuda/gradient_entry.cuh"
#include "cuda/group_fold.cuh"
#include "cuda/launch.h"
#include "cuda/matrix_rows.cuh"
#include "cuda/reduced.cuh"
#include "cuda/view.cuh"
#include "fastweight/gradient_products.h"

namespace fastweight::cuda {
namespace {

/// Threads of a token in the backward, which sums over its columns.
constexpr int kTokenLanes = 128;

/// A block a token.
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
      const float s = sigmoid(g.value[i]);
      const auto entry = GradientEntryBackward::of(rates, g.value[i], u.value[i], d.value[i], s,
                                                   {dg.value[i], du.value[i], dd.value[i]});
      for (int r = 0; r < 3; ++r) sums[r] += entry.rates[r];
      outScaledGate.value[i] = entry.forward.gate;
      outScaledUp.value[i] = entry.forward.up;
      outScaledHidden.value[i] = entry.forward.hidden;
      outGate.value[i] = entry.gate;
      outUp.value[i] = entry.up;
      outDh.value[i] = entry.dHidden;
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

/// sums [tokens, 3] += parts [tokens, count, 3], in their order.
__global__ void __launch_bounds__(kBlockThreads)
    addPartsKernel(int64_t batch, int64_t tokens, int64_t count, const float* parts,
                   View<float> sums) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i >= batch * tokens * 3) return;
  const int64_t token = i / 3, r = i % 3;
  float sum = 0;
  for (int64_t part = 0; part < count; ++part) sum += parts[(token * count + part) * 3 + r];
  *sums.at(token / tokens, token % tokens, r) += sum;
}

}  // namespace

void CudaDevice::swigluGradientBackward(const SwigluGradientBackward& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  if (multipliesHidden(p.keyDim, p.hiddenDim) && p.valueDim > 0 &&
      isOnSixteenBytes(inHalf(p.scaledGateUp), p.batch) &&
      isOnSixteenBytes(inHalf(p.scaledHidden), p.batch) &&
      isOnSixteenBytes(inHalf(p.dHiddenCotangent), p.batch)) {
    reducedGradientBackward(p);
    return;
  }
  const GradientActivations activations = runGradientProducts(*this, p);
  const auto run = [&](const auto& scaledGateUp, const auto& scaledHidden, const auto& gateUpResult,
                       const auto& dHiddenResult) {
    using Out = std::remove_reference_t<decltype(*scaledGateUp.data)>;
    const bool wide =
        p.hiddenDim % kElementsTogether == 0 && isPackableView(activations.gateUp, p.batch) &&
        isPackableView(activations.dHidden, p.batch) &&
        isPackableView(p.gateUpCotangent, p.batch) && isPackableView(p.dHiddenCotangent, p.batch) &&
        isPackable(scaledGateUp, p.batch) && isPackable(scaledHidden, p.batch);
    const auto kernel =
        wide ? gradientBackwardKernel<Out, kElementsTogether> : gradientBackwardKernel<Out, 1>;
    stream_.activate();
    launch(stream_, "the backward of an update's gradient", {p.batch * p.tokens, kTokenLanes},
           kernel, p.tokens, p.hiddenDim, viewOf(p.rates), viewOf(activations.gateUp),
           viewOf(activations.dHidden), scaledGateUp, scaledHidden,
           viewOf(ConstMatrices(p.gateUpCotangent)), viewOf(ConstMatrices(p.dHiddenCotangent)),
           gateUpResult, dHiddenResult, viewOf(p.ratesCotangent));
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

/// By our own products.
void CudaDevice::reducedGradientBackward(const SwigluGradientBackward& p) {
  // What only this reads lies as bfloat16 in half of its rows.
  const Operand gateUp = inHalf(p.scaledGateUp), dHidden = inHalf(p.scaledHidden);
  const bool isKept = p.gateUp.data != nullptr;
  if (!isKept) {
    const SwigluGradient a = activationsOf(p);
    multiplyToBfloat16(gatesOf(a), gateUp);
    multiplyToBfloat16(dHiddenOf(a), dHidden);
  }
  const Operand cotangent = inHalf(p.dHiddenCotangent);
  multiplyToBfloat16(scaledHiddenCotangentOf(p), cotangent);
  const GateUpProduct product = gateUpOf(scaledGateUpCotangentOf(p), p.hiddenDim);
  const auto produce = [&](const Matrices& view, int64_t columns) {
    return operands_.toProduce(Element::kBfloat16, view, p.batch, p.tokens, columns);
  };
  GradientBackwardResults to;
  to.scaledGateUp = produce(p.scaledGateUp, 2 * p.hiddenDim);
  to.scaledHidden = produce(p.scaledHidden, p.hiddenDim);
  to.gateUpCotangent = produce(p.gateUpCotangent, 2 * p.hiddenDim);
  to.dHiddenCotangent = produce(p.dHiddenCotangent, p.hiddenDim);
  const int64_t parts = TileProducts::partsOfHidden(p.hiddenDim);
  const Scratch sums(stream_, memory_,
                     static_cast<size_t>(p.batch * p.tokens * parts * 3) * sizeof(float));
  to.rateParts = sums.floats();
  for (const void* data :
       {product.pair.a.data, product.pair.b.data, to.scaledGateUp.data, to.scaledHidden.data,
        to.gateUpCotangent.data, to.dHiddenCotangent.data, static_cast<const void*>(sums.data())}) {
    if (data == nullptr) return;
  }
  if (isKept) {
    tileProducts_.swigluGradientBackward(product, p.rates, p.gateUp, p.dHidden, cotangent, to);
  } else {
    tileProducts_.swigluGradientBackward(product, p.rates, gateUp, dHidden, cotangent, to);
  }
  launch(stream_, "the step sizes' cotangents", {divideUp(p.batch * p.tokens * 3, kBlockThreads)},
         addPartsKernel, p.batch, p.tokens, parts, static_cast<const float*>(sums.floats()),
         viewOf(p.ratesCotangent));
}

}  // namespace fastweight::cuda
