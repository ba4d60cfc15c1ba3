// Matrix products for tfjs.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

/// What JavaScript wrote to `layout` for matMul.
struct MatMulNumbers {
  int64_t batch, m, n, k;
  bool shareA, shareB, transposeA, transposeB;
};

MatMulNumbers matMulNumbers(const double* numbers) {
  const auto count = [=](int i) { return static_cast<int64_t>(numbers[i]); };
  return {count(0),        count(1),        count(2),        count(3),
          numbers[4] != 0, numbers[5] != 0, numbers[6] != 0, numbers[7] != 0};
}

/// matMul(a, b, bias, slopes) -> c [batch, m, n] = op(a) op(b) + bias through the activation.
/// `layout` holds batch, m, n, k, whether one a (b) serves all of the batch, whether a (b) is
/// transposed, and the activation as epilogueArgument() has it. bias, slopes [n] or 0.
Napi::Value matMul(const Napi::CallbackInfo& info) {
  Session& session = Session::of(info);
  const MatMulNumbers s = matMulNumbers(session.layout);
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
  g.epilogue = epilogueArgument(info, 2, s.n, session.layout + 8);
  const Result c(info, count, 4);
  g.c = packed(c.floats(), s.m, s.n);
  session.device->gemm(g);
  return c.handle();
}

}  // namespace

void registerMatrixKernels(Functions& functions) { functions.add("matMul", matMul); }

}  // namespace fastweight::binding
