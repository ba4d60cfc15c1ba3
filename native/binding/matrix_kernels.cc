// Matrix products for tfjs.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

/// What JavaScript wrote to exports.layout for matMul.
struct MatMulNumbers {
  int64_t batch, m, n, k;
  bool shareA, shareB, transposeA, transposeB;
  int activation;
  float leakyReluAlpha;
};

MatMulNumbers matMulNumbers(const double* numbers) {
  const auto count = [=](int i) { return static_cast<int64_t>(numbers[i]); };
  return {count(0),
          count(1),
          count(2),
          count(3),
          numbers[4] != 0,
          numbers[5] != 0,
          numbers[6] != 0,
          numbers[7] != 0,
          static_cast<int>(numbers[8]),
          static_cast<float>(numbers[9])};
}

/// matMul(a, b, bias) -> c [batch, m, n] = op(a) op(b) + bias, then the activation, all in place.
/// `layout` holds batch, m, n, k, whether one a (b) serves all of the batch, whether a (b) is
/// transposed, the unary code of the activation or -1, and the slope of a leaky one. bias [n] or 0.
Napi::Value matMul(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  const MatMulNumbers s = matMulNumbers(environment.layout);
  const int64_t aSize = productOf(info, {s.m, s.k}), bSize = productOf(info, {s.k, s.n});
  const int64_t count = productOf(info, {s.batch, s.m, s.n});
  Gemm g;
  g.batch = s.batch;
  g.m = s.m;
  g.n = s.n;
  g.k = s.k;
  g.transposeA = s.transposeA;
  g.transposeB = s.transposeB;
  g.a = {floatsArgument(info, 0, productOf(info, {s.shareA ? 1 : s.batch, aSize})),
         s.transposeA ? s.m : s.k, s.shareA ? 0 : aSize};
  g.b = {floatsArgument(info, 1, productOf(info, {s.shareB ? 1 : s.batch, bSize})),
         s.transposeB ? s.k : s.n, s.shareB ? 0 : bSize};
  const float* bias = optionalFloatsArgument(info, 2, s.n);
  const Result c(info, count, 4);
  g.c = packed(c.floats(), s.m, s.n);
  environment.device->gemm(g);
  if (bias != nullptr) {
    StridedPair rows;
    rows.rank = 2;
    rows.sizes[0] = s.batch * s.m;
    rows.sizes[1] = s.n;
    rows.firstStrides[0] = s.n;
    rows.firstStrides[1] = 1;
    rows.secondStrides[1] = 1;
    environment.device->binary(BinaryOp::kAdd, ElementType::kFloat32, rows, c.memory(), bias,
                               c.memory());
  }
  if (s.activation >= 0 && s.activation < static_cast<int>(UnaryOp::kCount)) {
    environment.device->unary(static_cast<UnaryOp>(s.activation), count, s.leakyReluAlpha, 0,
                              c.floats(), c.floats());
  }
  return c.handle();
}

}  // namespace

void registerMatrixKernels(Napi::Env env, Napi::Object exports) {
  exports.Set("matMul", Napi::Function::New(env, matMul, "matMul"));
}

}  // namespace fastweight::binding
