// Matrix products for tfjs.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

/// What JavaScript wrote to `layout` for matMul.
struct MatMulNumbers {
  int64_t batch, m, n, k;
  bool shareA, shareB, transposeA, transposeB, stored;
};

MatMulNumbers matMulNumbers(const double* numbers) {
  const auto count = [=](int i) { return static_cast<int64_t>(numbers[i]); };
  return {count(0),        count(1),        count(2),        count(3),        numbers[4] != 0,
          numbers[5] != 0, numbers[6] != 0, numbers[7] != 0, numbers[10] != 0};
}

/// matMul(a, b, bias, slopes) -> c [batch, m, n] = op(a) op(b) + bias through the activation.
/// `layout` holds batch, m, n, k, whether one a (b) serves all of the batch, whether a (b) is
/// transposed, the activation as epilogueArgument() has it, and whether c may be stored as
/// bfloat16, which it is where the device's product writes it so. bias, slopes [n] or 0.
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
  const StoredFloats a = operandArgument(info, 0, productOf(info, {s.shareA ? 1 : s.batch, aSize}));
  const StoredFloats b = operandArgument(info, 1, productOf(info, {s.shareB ? 1 : s.batch, bSize}));
  g.a = {a.floats(), s.transposeA ? s.m : s.k, s.shareA ? 0 : aSize, a.storage};
  g.b = {b.floats(), s.transposeB ? s.k : s.n, s.shareB ? 0 : bSize, b.storage};
  g.epilogue = epilogueArgument(info, 2, s.n, session.layout + 8);
  if (s.stored && session.device->productsReadBfloat16() && g.epilogue.isEmpty() && s.k > 0) {
    g.resultStorage = Storage::kBfloat16;
  }
  const Result c(info, count, g.resultStorage);
  g.c = packed(c.floats(), s.m, s.n);
  session.device->gemm(g);
  return c.handle();
}

}  // namespace

void registerMatrixKernels(Functions& functions) { functions.add("matMul", matMul); }

}  // namespace fastweight::binding
