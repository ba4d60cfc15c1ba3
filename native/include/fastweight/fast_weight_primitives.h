// The fused steps that the fast-weight algorithm (core/) is written in. Each device implements
// these and nothing of the algorithm. All pointers are device memory; nothing here allocates, and a
// primitive that the device queues returns before it ran. Sums run in a fixed order, so results are
// bitwise the same from run to run and for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastweight/epilogue.h"
#include "fastweight/matrix.h"

namespace fastweight {

/// c = epilogue(alpha * (op(a) op(b) + op(a2) op(b2)) + beta * addend), for each of `batch`
/// matrices.
/// op(a) [m, k], op(b) [k, n], c [m, n]; a transposed operand is stored [k, m] or [n, k]. The
/// second product, shaped and transposed as the first, is left out where a2 and b2 are empty; an
/// empty addend is c itself.
struct Gemm {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transposeA = false, transposeB = false;
  float alpha = 1, beta = 0;
  /// Where set, matrix b of the batch uses betas[b] instead of `beta` (momentum). [batch]
  const float* betas = nullptr;
  /// Whether inputs keep the 10 bits of TF32's mantissa or more, whatever the matmul precision.
  /// They are of a size that float16 holds then, too.
  bool precise = false;
  /// Whether the result is read by products alone, as operand or addend, until endProducts().
  bool forProducts = false;
  /// How c is stored. kBfloat16 only where products read it, for one product with an inner axis,
  /// without addend or epilogue.
  Storage resultStorage = Storage::kFloat32;
  ConstMatrices a, b, a2, b2, addend;
  Matrices c;
  Epilogue epilogue;
};

/// c = alpha * S + beta * addend + diagonal * I for a symmetric S [n, n], at half the work of a
/// full product. S is a b^T (the caller promises that it is symmetric), or sym(a b^T) = (a b^T + b
/// a^T) / 2 where `symmetrise` is set. a, b [n, k]; addend [n, n] symmetric, or empty. c may alias
/// addend, never a or b. Both triangles of c are written and are bitwise equal.
struct SymmetricProduct {
  int64_t batch = 1, n = 0, k = 0;
  float alpha = 1, beta = 0, diagonal = 0;
  bool symmetrise = false;
  /// As of Gemm.
  bool precise = false, forProducts = false;
  ConstMatrices a, b, addend;
  Matrices c;
};

/// hidden = silu(x w0^T) * (x w2^T), the fast network's hidden layer.
/// x [tokens, keyDim]; w02 [2 hidden, keyDim] holds w0 above w2; hidden [tokens, hidden].
/// gateUp [tokens, 2 hidden] is scratch, or receives [x w0^T | x w2^T] where `keepGateUp` is set.
struct Swiglu {
  int64_t batch = 1, tokens = 0, keyDim = 0, hiddenDim = 0;
  bool keepGateUp = false;
  ConstMatrices x, w02;
  Matrices gateUp, hidden;
};

/// The per-token part of an update's gradient, and of the backward of an apply.
/// With g = k w0^T, u = k w2^T, dh = v w1, leaves
///   gateUp  [tokens, 2 hidden] = [rate0 * dh u silu'(g) | rate2 * dh silu(g)]
///   dHidden [tokens, hidden]   = rate1 * silu(g) u
/// or, where `activationsOnly` is set, gateUp = [g | u] and dHidden = dh.
/// `rates` [tokens, 3] are the step sizes of w0, w1, w2; empty means 1 (the backward of an apply,
/// with the output's cotangent for v).
struct SwigluGradient {
  int64_t batch = 1, tokens = 0, keyDim = 0, valueDim = 0, hiddenDim = 0;
  bool activationsOnly = false;
  ConstMatrices k, v, w02, w1, rates;
  Matrices gateUp, dHidden;
};

/// The token-wise end of SwigluGradient alone: from activations gateUp = [g | u] and dHidden = dh
/// to scaledGateUp and scaledHidden, which may alias them.
struct ScaleSwigluGradient {
  int64_t batch = 1, tokens = 0, hiddenDim = 0;
  ConstMatrices rates, gateUp, dHidden;
  Matrices scaledGateUp, scaledHidden;
};

/// The backward of SwigluGradient by its tokens and weights, where its results went on to
/// d02 = [rate0 dg | rate2 du]^T k and d1 = v^T (rate1 h). Takes the cotangents of those as d02
/// [2 hidden, keyDim] and d1 [valueDim, hidden]; overwrites
///   gateUpCotangent [tokens, 2 hidden] with the cotangent of [g | u]
///   dHiddenCotangent [tokens, hidden] with the cotangent of dh
///   scaledGateUp and scaledHidden with the results of the forward,
/// and adds the step sizes' cotangents to ratesCotangent [tokens, 3].
/// gateUp and dHidden are the forward's activations; empty, they are computed from w02 and w1.
struct SwigluGradientBackward {
  int64_t batch = 1, tokens = 0, keyDim = 0, valueDim = 0, hiddenDim = 0;
  ConstMatrices k, v, w02, w1, d02, d1, rates, gateUp, dHidden;
  Matrices scaledGateUp, scaledHidden, gateUpCotangent, dHiddenCotangent, ratesCotangent;
};

/// x = d / (||d||_F + epsilon) per matrix, turned so that rows <= columns.
/// d [rows, columns]; x [rows, columns] or, where `transpose` is set, [columns, rows].
/// norms [batch] receives ||d||_F.
struct FrobeniusNormalise {
  int64_t batch = 1, rows = 0, columns = 0;
  bool transpose = false;
  float epsilon = 0;
  ConstMatrices d;
  Matrices x;
  float* norms = nullptr;
};

/// The backward of FrobeniusNormalise. x and xCotangent as x there; dCotangent [rows, columns].
struct FrobeniusNormaliseBackward {
  int64_t batch = 1, rows = 0, columns = 0;
  bool transpose = false;
  float epsilon = 0;
  ConstMatrices x, xCotangent;
  const float* norms = nullptr;
  Matrices dCotangent;
};

/// y = x^T per matrix. x [rows, columns], y [columns, rows].
struct TransposeMatrices {
  int64_t batch = 1, rows = 0, columns = 0;
  ConstMatrices x;
  Matrices y;
};

/// main += step, and live = main / (rownorm(main) + epsilon) * norms, row by row, in one pass.
/// [rows, columns], packed. live may alias main ('post': the renormalised rows are the state), or
/// be null ('none': nothing is renormalised and norms is not read). norms [rows].
struct StepAndRenormalise {
  int64_t rows = 0, columns = 0;
  float epsilon = 0;
  const float* step = nullptr;
  const float* norms = nullptr;
  float* main = nullptr;
  float* live = nullptr;
};

/// The backward of the renormalisation of main + step (step may be null: then of main).
/// liveCotangent [rows, columns] in; sumCotangent [rows, columns] = (accumulate ? += : =) the
/// cotangent of main + step, which may alias liveCotangent when not accumulating; normsCotangent
/// [rows] += the cotangent of norms where set.
struct RenormaliseBackward {
  int64_t rows = 0, columns = 0;
  float epsilon = 0;
  bool accumulate = false;
  const float* main = nullptr;
  const float* step = nullptr;
  const float* norms = nullptr;
  const float* liveCotangent = nullptr;
  float* sumCotangent = nullptr;
  float* normsCotangent = nullptr;
};

class FastWeightPrimitives {
 public:
  virtual ~FastWeightPrimitives() = default;

  virtual void gemm(const Gemm&) = 0;
  /// Products none of which reads or writes another's result; in one launch where a device can.
  virtual void gemms(int64_t count, const Gemm* products) {
    for (int64_t i = 0; i < count; ++i) gemm(products[i]);
  }
  virtual void symmetricProduct(const SymmetricProduct&) = 0;
  virtual void swiglu(const Swiglu&) = 0;
  virtual void swigluGradient(const SwigluGradient&) = 0;
  virtual void scaleSwigluGradient(const ScaleSwigluGradient&) = 0;
  virtual void swigluGradientBackward(const SwigluGradientBackward&) = 0;
  virtual void frobeniusNormalise(const FrobeniusNormalise&) = 0;
  virtual void frobeniusNormaliseBackward(const FrobeniusNormaliseBackward&) = 0;
  virtual void transposeMatrices(const TransposeMatrices&) = 0;
  virtual void stepAndRenormalise(const StepAndRenormalise&) = 0;
  virtual void renormaliseBackward(const RenormaliseBackward&) = 0;

  /// norms[r] = ||w[r]||. w [rows, columns] packed.
  virtual void rowNorms(int64_t rows, int64_t columns, const float* w, float* norms) = 0;
  /// wCotangent += normsCotangent[r] * w[r] / norms[r]; rows of norm 0 get nothing.
  virtual void rowNormsBackward(int64_t rows, int64_t columns, const float* w, const float* norms,
                                const float* normsCotangent, float* wCotangent) = 0;

  /// y = alpha * x + beta * y; y is not read where beta is 0. [count]
  virtual void axpby(int64_t count, float alpha, const float* x, float beta, float* y) = 0;
  /// y[b] *= scales[b]. y [batch, count] packed.
  virtual void scaleRows(int64_t batch, int64_t count, const float* scales, float* y) = 0;
  /// out[b] += sum x[b] * y[b]. x, y [batch, count] packed; out [batch].
  virtual void dotRows(int64_t batch, int64_t count, const float* x, const float* y,
                       float* out) = 0;
  /// out[b] = sum of x[b] over `count` entries that lie `stride` apart from row to row.
  virtual void sumRows(int64_t batch, int64_t count, int64_t stride, const float* x,
                       float* out) = 0;
  /// y[b, t] += alpha * x[b] for t < count; y's rows lie `stride` apart.
  virtual void addToRows(int64_t batch, int64_t count, int64_t stride, float alpha, const float* x,
                         float* y) = 0;
  /// Whether all of x [count] is finite. Waits for what is queued.
  virtual bool allFinite(int64_t count, const float* x) = 0;

  /// Between the two, memory is written by the primitives of this class alone, and the results of
  /// swiglu(), swigluGradient(), scaleSwigluGradient() and swigluGradientBackward(), and of
  /// products that say so, are read by products alone, except what `keepGateUp` and
  /// `activationsOnly` ask for and ratesCotangent. So a device may keep operands in the form that
  /// its products read, and those results in no other.
  virtual void beginProducts() {}
  virtual void endProducts() {}

  /// Tokens that go through a chunk's products at a time, for rows x hidden floats a token.
  virtual int64_t tileTokens(int64_t rows, int64_t hiddenDim) const = 0;
  /// Bytes that one forward may keep so that its backward need not compute them again. The same on
  /// every call.
  virtual size_t keptBytesLimit() const = 0;
};

}  // namespace fastweight
