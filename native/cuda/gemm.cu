// Batched products by cuBLASLt, in the precision that is set, and what comes before and behind.
#include "cuda/cuda_device.h"
#include "cuda/matrix_rows.cuh"
#include "fastweight/elementwise_functions.h"

namespace fastweight::cuda {
namespace {

Operand operandOf(const ConstMatrices& view) { return {view.data, view.leading, view.stride}; }

/// y = scale x, with a scale a matrix where `scales` is set. x is not read where the scale is 0.
struct ScaleMatrices {
  const float* scales;
  float scale;
  ConstMatrices x;
  Matrices y;

  struct Columns {
    float scale;
    const float* x;
    float* y;
    template <int width>
    __device__ void at(int64_t j) const {
      Pack<float, width> values = {};
      if (scale != 0) values = load<width>(x + j);
      for (float& value : values.value) value *= scale;
      store(y + j, values);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t i, int64_t columns, int lane) const {
    const float factor = scales != nullptr ? scales[b] : scale;
    forColumns<lanes, width>(
        columns, lane, Columns{factor, x.data + rowOffset(x, b, i), y.data + rowOffset(y, b, i)});
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
  p.addend = operandOf(addend);
  p.c = operandOf(g.c);
  if (precision_ == MatmulPrecision::kBfloat16 && !g.precise) {
    p.inputs = Element::kBfloat16;
    p.a = operands_.of(a, g.batch, g.transposeA ? g.k : g.m, g.transposeA ? g.m : g.k);
    p.b = operands_.of(b, g.batch, g.transposeB ? g.n : g.k, g.transposeB ? g.k : g.n);
  } else {
    p.a = operandOf(a);
    p.b = operandOf(b);
  }
  return p;
}

void CudaDevice::gemm(const Gemm& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const bool hasAddend = g.addend.data != nullptr;
  ConstMatrices addend = hasAddend ? g.addend : ConstMatrices(g.c);
  float beta = g.beta;
  if (g.betas != nullptr || g.k <= 0) {
    // The addend takes its scale first, in place of the result.
    const ScaleMatrices body = {g.betas, g.beta, addend, g.c};
    forRows(stream_, "scaling matrices", g.batch, g.m, g.n,
            isPackableView(addend, g.batch) && isPackableView(g.c, g.batch), body);
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

}  // namespace fastweight::cuda
