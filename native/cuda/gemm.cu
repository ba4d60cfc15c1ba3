// Batched products in the precision that is set, by cuBLASLt or, where several go together, by our
// own kernels, and what comes before and behind.
#include <algorithm>
#include <type_traits>

#include "cuda/cuda_device.h"
#include "cuda/matrix_rows.cuh"
#include "cuda/reduced.cuh"
#include "cuda/view.cuh"
#include "fastweight/elementwise_functions.h"

namespace fastweight::cuda {
namespace {

Operand operandOf(const ConstMatrices& view) { return {view.data, view.leading, view.stride}; }

/// y = scale x, with a scale a matrix where `scales` is set. x is not read where the scale is 0.
template <typename From>
struct ScaleMatrices {
  const float* scales;
  float scale;
  View<const From> x;
  Matrices y;

  struct Columns {
    float scale;
    const From* x;
    float* y;
    template <int width>
    __device__ void at(int64_t j) const {
      Pack<float, width> values = {};
      if (scale != 0) values = loadFloats<width>(x + j);
      for (float& value : values.value) value *= scale;
      store(y + j, values);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t i, int64_t columns, int lane) const {
    const float factor = scales != nullptr ? scales[b] : scale;
    forColumns<lanes, width>(columns, lane,
                             Columns{factor, x.row(b, i), y.data + rowOffset(y, b, i)});
  }
};

__device__ float activate(UnaryOp op, float x, [[maybe_unused]] float p, [[maybe_unused]] float q) {
  switch (op) {
#define FASTWEIGHT_CASE(name, expression) \
  case UnaryOp::k##name:                  \
    return expression;
    FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_CASE)
#undef FASTWEIGHT_CASE
    default:
      return x;
  }
}

/// The epilogue of a product, in place.
struct ApplyEpilogue {
  Epilogue epilogue;
  Matrices c;

  struct Columns {
    Epilogue epilogue;
    float* c;
    template <int width>
    __device__ void at(int64_t j) const {
      Pack<float, width> values = load<width>(c + j);
      for (int i = 0; i < width; ++i) {
        float x = values.value[i];
        if (epilogue.bias != nullptr) x += epilogue.bias[j + i];
        if (epilogue.activation != UnaryOp::kCount) {
          x = activate(epilogue.activation, x, epilogue.p, epilogue.q);
        }
        if (epilogue.slopes != nullptr && x < 0.0f) x *= epilogue.slopes[j + i];
        values.value[i] = x;
      }
      store(c + j, values);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t i, int64_t columns, int lane) const {
    forColumns<lanes, width>(columns, lane, Columns{epilogue, c.data + rowOffset(c, b, i)});
  }
};

}  // namespace

Element CudaDevice::operandElement(bool precise) const {
  if (precision_ != MatmulPrecision::kBfloat16) return Element::kFloat32;
  return precise ? Element::kFloat16 : Element::kBfloat16;
}

bool CudaDevice::reducesResults() const {
  return precision_ == MatmulPrecision::kBfloat16 && operands_.inProducts() &&
         tileProducts_.areAvailable();
}

Operand CudaDevice::leftOf(const Gemm& g, const ConstMatrices& a, Element element) {
  if (element == Element::kFloat32) return operandOf(a);
  return operands_.of(element, a, g.batch, g.transposeA ? g.k : g.m, g.transposeA ? g.m : g.k);
}

Operand CudaDevice::rightOf(const Gemm& g, const ConstMatrices& b, Element element) {
  if (element == Element::kFloat32) return operandOf(b);
  return operands_.of(element, b, g.batch, g.transposeB ? g.n : g.k, g.transposeB ? g.k : g.n);
}

Product CudaDevice::productOf(const Gemm& g, const ConstMatrices& a, const ConstMatrices& b,
                              float beta, const ConstMatrices& addend) {
  Product p;
  p.batch = g.batch;
  p.m = g.m;
  p.n = g.n;
  p.k = g.k;
  p.transposeA = g.transposeA;
  p.transposeB = g.transposeB;
  p.alpha = g.alpha;
  p.beta = beta;
  p.tf32 = precision_ != MatmulPrecision::kFloat32;
  p.inputs = operandElement(g.precise);
  p.a = leftOf(g, a, p.inputs);
  p.b = rightOf(g, b, p.inputs);
  p.addend = operandOf(addend);
  p.c = operandOf(g.c);
  return p;
}

void CudaDevice::scaleAddend(const Gemm& g, const ConstMatrices& addend) {
  const auto scale = [&](const auto& from, bool isPackable) {
    using From = std::remove_const_t<std::remove_reference_t<decltype(*from.data)>>;
    forRows(stream_, "scaling matrices", g.batch, g.m, g.n,
            isPackable && isPackableView(g.c, g.batch),
            ScaleMatrices<From>{g.betas, g.beta, from, g.c});
  };
  const Element element = operandElement(g.precise);
  const Operand form = operands_.alone(element, addend, g.batch, g.m, g.n);
  if (form.data == nullptr) {
    scale(viewOf(addend), isPackableView(addend, g.batch));
  } else if (element == Element::kFloat16) {
    scale(viewOf<const __half>(form), true);
  } else {
    scale(viewOf<const __nv_bfloat16>(form), true);
  }
}

void CudaDevice::reducedGemm(const Gemm& g) {
  Product p = productOf(g, g.a, g.b, g.beta, g.c);
  p.results = p.inputs;
  const ConstMatrices addend = g.addend.data != nullptr ? g.addend : ConstMatrices(g.c);
  if (g.beta != 0) p.addend = operands_.of(p.results, addend, g.batch, g.m, g.n);
  p.c = operands_.toProduce(p.results, g.c, g.batch, g.m, g.n);
  if (p.a.data != nullptr && p.b.data != nullptr && p.addend.data != nullptr &&
      p.c.data != nullptr) {
    products_.multiply(p);
  }
}

void CudaDevice::storedGemm(const Gemm& g) {
  Product p = productOf(g, g.a, g.b, 0, g.c);
  p.results = Element::kBfloat16;
  if (p.a.data != nullptr && p.b.data != nullptr) products_.multiply(p);
  operands_.productDone();
}

void CudaDevice::gemm(const Gemm& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  if (g.resultStorage == Storage::kBfloat16) return storedGemm(g);
  if (g.forProducts && reducesResults()) return reducedGemm(g);
  const bool hasAddend = g.addend.data != nullptr;
  ConstMatrices addend = hasAddend ? g.addend : ConstMatrices(g.c);
  float beta = g.beta;
  const bool isReduced =
      beta != 0 &&
      operands_.alone(operandElement(g.precise), addend, g.batch, g.m, g.n).data != nullptr;
  if (g.betas != nullptr || g.k <= 0 || isReduced) {
    // The addend takes its scale first, in place of the result.
    scaleAddend(g, addend);
    addend = g.c;
    beta = 1;
  }
  const auto multiply = [&](const ConstMatrices& a, const ConstMatrices& b, float scale,
                            const ConstMatrices& added) {
    const Product product = productOf(g, a, b, scale, added);
    if (product.a.data != nullptr && product.b.data != nullptr) products_.multiply(product);
  };
  if (g.k > 0) {
    multiply(g.a, g.b, beta, addend);
    if (g.a2.data != nullptr) multiply(g.a2, g.b2, 1, g.c);
  }
  operands_.productDone();
  operands_.written(g.c, g.batch, g.m);
  if (g.epilogue.isEmpty()) return;
  forRows(stream_, "a product's epilogue", g.batch, g.m, g.n, isPackableView(g.c, g.batch),
          ApplyEpilogue{g.epilogue, g.c});
}

bool CudaDevice::isWeightProduct(const Gemm& g) const {
  return tileProducts_.areAvailable() && operandElement(g.precise) == Element::kBfloat16 &&
         g.transposeA && !g.transposeB && !g.forProducts && g.a2.data == nullptr &&
         g.resultStorage == Storage::kFloat32 && g.addend.storage == Storage::kFloat32 &&
         g.epilogue.isEmpty() && g.batch > 0 && g.m > 0 && g.n > 0 && g.k > 0;
}

void CudaDevice::gemms(int64_t count, const Gemm* products) {
  constexpr int64_t kTogether = 2;
  int64_t i = 0;
  for (; i + kTogether <= count; i += kTogether) {
    if (!std::all_of(products + i, products + i + kTogether,
                     [this](const Gemm& g) { return isWeightProduct(g); })) {
      break;
    }
    WeightProduct weights[kTogether];
    bool hasMemory = true;
    for (int64_t j = 0; j < kTogether; ++j) {
      const Gemm& g = products[i + j];
      WeightProduct& w = weights[j];
      w.pair = {leftOf(g, g.a, Element::kBfloat16), rightOf(g, g.b, Element::kBfloat16), g.k};
      w.batch = g.batch;
      w.rows = g.m;
      w.columns = g.n;
      w.alpha = g.alpha;
      w.beta = g.beta;
      w.betas = g.betas;
      w.addend = g.addend.data != nullptr ? g.addend : ConstMatrices(g.c);
      w.result = g.c;
      hasMemory = hasMemory && w.pair.a.data != nullptr && w.pair.b.data != nullptr;
    }
    if (hasMemory) tileProducts_.multiplyWeights(kTogether, weights);
    operands_.productDone();
    for (int64_t j = 0; j < kTogether; ++j) {
      operands_.written(products[i + j].c, products[i + j].batch, products[i + j].m);
    }
  }
  for (; i < count; ++i) gemm(products[i]);
}

}  // namespace fastweight::cuda
